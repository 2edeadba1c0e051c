"""What a config says reaches the object that it is about."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from engine.build import build, build_trainer, build_translator
from engine.run_folder import RunFolder
from tests.commanding import composed

TINY = ["model=pix2pix", "data=market1501", "size=tiny"]


def test_clipping_and_accumulation_are_set_under_trainer_and_done_by_the_translator():
    config = composed(*TINY, "trainer.gradient_clip_val=0.5", "trainer.accumulate_grad_batches=4", "seed=7")
    translator = build_translator(config)
    assert translator.gradient_clip_val == 0.5
    assert translator.accumulate_grad_batches == 4
    assert translator.seed == 7


def test_a_constructors_own_sentence_comes_through_hydra():
    config = composed(*TINY, "data.height=50")
    with pytest.raises(BadInput, match="50"):
        build(config["model"])


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("group", ["gpu", "ddp"])
def test_a_gpu_where_there_is_none_is_one_sentence(group, tmp_path):
    with pytest.raises(BadInput, match=r"sees no GPU .* trainer=cpu"):
        build_trainer(composed(*TINY, f"trainer={group}"), RunFolder(tmp_path))
