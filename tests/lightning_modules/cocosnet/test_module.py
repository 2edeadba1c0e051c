"""The method as a whole: a step of training, an image, what is shown of it, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from datamodules.bad_input import BadInput
from datamodules.batch import Batch
from lightning_modules.cocosnet.correspondence import CorrespondenceNetwork
from lightning_modules.cocosnet.discriminator import MultiscaleDiscriminator
from lightning_modules.cocosnet.generator import SpadeGenerator
from lightning_modules.cocosnet.module import CoCosNet
from lightning_modules.losses.perceptual import VGG19

S = 4


def made(**options) -> CoCosNet:
    torch.manual_seed(0)
    return CoCosNet(
        CorrespondenceNetwork(S, width=4, **options.pop("correspondence", {})),
        SpadeGenerator(S, width=2),
        MultiscaleDiscriminator(S, width=4),
        VGG19("random", width=8),
        optimizer=partial(torch.optim.Adam, betas=(0.0, 0.9)),
        **options,
    )


def drawn(size: int = 2, paired: bool = False, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def labels() -> torch.Tensor:
        coarse = torch.randint(0, S, (size, 8, 8), generator=generator)
        return (
            torch.nn.functional.one_hot(coarse, S)
            .permute(0, 3, 1, 2)
            .float()
            .repeat_interleave(8, 2)
            .repeat_interleave(8, 3)
        )

    source, target = (torch.rand(size, 3, 64, 64, generator=generator) * 2 - 1 for _ in range(2))
    keys = [f"{i}.jpg" for i in range(size)]
    return Batch(source, labels(), target, labels(), torch.full((size,), paired), keys, keys)


def trained(translator: CoCosNet, *batches: Batch, **settings) -> CoCosNet:
    trainer = pl.Trainer(
        max_steps=len(batches),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    trainer.fit(translator, DataLoader(list(batches), batch_size=None, collate_fn=lambda batch: batch))
    return translator


def test_one_step_with_every_loss_moves_every_network():
    translator = made(weights={"cycle": 1.0, "self_warp": 1.0}, mask="direct", two_cycle=True, contextual_r22=True)
    before = {name: value.clone() for name, value in translator.state_dict().items()}
    trained(translator, drawn(1, paired=True))
    assert set(translator.last_losses) == {
        "domain_alignment",
        "adversarial",
        "discriminator_features",
        "feature_matching_random_vgg",
        "perceptual_random_vgg",
        "contextual_random_vgg",
        "mask",
        "cycle",
        "self_warp",
        "discriminator_fake",
        "discriminator_real",
    }
    assert all(value.isfinite() for value in translator.last_losses.values())
    after = dict(translator.named_parameters())
    # Behind a non-local block's gate, which starts at 0, nothing gets a gradient in the first step; and in the bias of
    # the logits the two sides of the hinge cancel.
    still = ("perceptual.", ".attention.", ".logits.bias")
    moving = [name for name in after if not any(part in name for part in still)]
    assert not [name for name in moving if torch.equal(before[name], after[name])]


def test_a_random_vgg_is_a_caveat_of_every_result_unless_no_loss_reads_it():
    assert "random VGG19" in made().caveats()[0]
    without = made(weights={"contextual": 0.0, "perceptual": 0.0, "feature_matching": 0.0, "reconstruction": 1.0})
    assert without.caveats() == []
    assert "reconstruction" in trained(without, drawn(1, paired=True)).last_losses


def test_losses_without_weight_are_not_computed():
    translator = trained(made(weights={"contextual": 0.0, "perceptual": 0.0, "feature_matching": 0.0}), drawn(1))
    assert set(translator.last_losses) == {
        "domain_alignment",
        "adversarial",
        "discriminator_features",
        "discriminator_fake",
        "discriminator_real",
    }


def test_it_trains_in_bf16():
    translator = trained(made(mask="direct"), drawn(1), precision="bf16-mixed")
    assert all(value.isfinite() for value in translator.last_losses.values())


def test_two_time_scales_and_two_epsilons():
    translator = made()
    (optimizers, _) = translator.configure_optimizers()
    settings = [(group["lr"], group["eps"], group["betas"]) for o in optimizers for group in o.param_groups]
    assert settings == [(1e-4, 1e-3, (0.0, 0.9)), (4e-4, 1e-8, (0.0, 0.9))]
    own = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
    trainable = {id(p) for p in translator.parameters() if p.requires_grad}
    assert own == trainable


def test_translation_and_panels():
    translator, batch = made().eval(), drawn()
    with torch.inference_mode():
        image, panels = translator.translate(batch), translator.panels(batch)
    assert image.shape == (2, 3, 64, 64)
    assert torch.equal(panels["translation"], image)
    assert list(panels)[:2] == ["structure", "exemplar"]
    assert all(panel.shape == (2, 3, 64, 64) and panel.abs().max() <= 1 for panel in panels.values())


def test_an_exemplar_without_a_structure_map_gets_noise_for_it():
    translator, batch = made().eval(), drawn()
    empty = replace(batch, source_structure=torch.stack((batch.source_structure[0], torch.zeros(S, 64, 64))))
    with torch.inference_mode():
        known, first, second = translator.translate(batch), translator.translate(empty), translator.translate(empty)
    torch.testing.assert_close(first[0], known[0])
    torch.testing.assert_close(first[0], second[0])
    assert not torch.allclose(first[1], second[1], atol=1e-7)


def test_no_structure_map_of_the_exemplar_is_used_from_the_epoch_asked_for():
    translator = made(unknown_structure_from_epoch=0).eval()
    batch = drawn()
    other = replace(batch, source_structure=batch.source_structure.roll(1, dims=1))
    with torch.inference_mode():
        torch.manual_seed(1)
        first = translator.translate(batch)
        torch.manual_seed(1)
        assert torch.equal(translator.translate(other), first)


def test_vgg_is_neither_in_checkpoints_nor_needed_to_apply_one():
    translator = trained(made(), drawn(1))
    state = translator.state_dict()
    assert not any(name.startswith("perceptual") for name in state)
    other = made()
    assert not list(other.perceptual.parameters())
    other.load_state_dict(state)
    translator.load_state_dict(state)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: made(height=100, width=64), "100 x 64"),
        (lambda: made(weights={"contextal": 1.0}), "no loss 'contextal'.*Did you mean 'contextual'"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_training(build, says):
    with pytest.raises(BadInput, match=says):
        build()


def test_a_mask_loss_without_labels_is_refused():
    heatmaps = replace(drawn(1), target_structure=torch.rand(1, S, 64, 64))
    with pytest.raises(BadInput, match="no label map"):
        trained(made(mask="direct"), heatmaps)


def test_missing_vgg_weights_stop_a_run_before_its_first_step(tmp_path):
    translator = made()
    translator.perceptual = VGG19(str(tmp_path / "vgg19_conv.pth"))
    with pytest.raises(BadInput, match=r"no VGG19 weights at .*vgg19_conv.pth.*model.perceptual.weights"):
        trained(translator, drawn(1))
    with torch.inference_mode():
        assert translator.eval().translate(drawn(1)).isfinite().all(), "applying needs no VGG19"
