"""What a `_target_` takes is read from source text: nothing is imported for it."""

from __future__ import annotations

import subprocess
import sys
import typing

import pytest

from datamodules.bad_input import BadInput
from engine.signatures import parameters_of


def test_a_class_re_exported_by_its_package_is_followed_to_its_definition():
    adam = parameters_of("torch.optim.Adam")
    assert {"lr", "betas", "eps", "weight_decay"} <= adam.annotations.keys()
    assert adam.required == {"params"}
    assert not adam.open


def test_annotations_of_builtin_types_are_known():
    trainer = parameters_of("pytorch_lightning.trainer.trainer.Trainer")
    assert trainer.annotations["max_steps"] is int
    assert trainer.annotations["detect_anomaly"] is bool
    assert trainer.annotations["max_epochs"] == typing.Optional[int]  # noqa: UP045


def test_a_constructor_that_passes_keywords_on_has_the_parameters_of_its_base(tmp_path, monkeypatch):
    (tmp_path / "bases.py").write_text(
        "class Base:\n    def __init__(self, root: str, *, width: int = 64) -> None: ...\n"
    )
    (tmp_path / "derived.py").write_text(
        "from bases import Base\n\nclass Derived(Base):\n    def __init__(self, cameras: list[int], **kwargs) -> None: ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    derived = parameters_of("derived.Derived")
    assert derived.annotations == {"cameras": list[int], "root": str, "width": int}
    assert not derived.open


def test_a_dataclass_has_its_fields(tmp_path, monkeypatch):
    (tmp_path / "fields.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass\nclass Guidance:\n    mode: str\n    pose: float = 2.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    guidance = parameters_of("fields.Guidance")
    assert guidance.annotations == {"mode": str, "pose": float}
    assert guidance.required == {"mode"}


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("torchh.optim.Adam", "no package 'torchh'"),
        ("engine.checks.check", "Did you mean 'check'?"),
        ("engine.check.chek", "Did you mean 'check'?"),
    ],
)
def test_a_wrong_target_is_named_with_its_nearest(target, says):
    with pytest.raises(BadInput, match=says.replace("?", r"\?")):
        parameters_of(target)


def test_reading_signatures_imports_neither_torch_nor_lightning():
    program = (
        "import sys; from engine.signatures import parameters_of; parameters_of('pytorch_lightning.Trainer');"
        "parameters_of('torch.optim.Adam'); sys.exit('torch' in sys.modules or 'pytorch_lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
