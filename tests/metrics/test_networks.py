"""The networks behind LPIPS and FID give the features of the published code, under every named convention."""

from __future__ import annotations

import pathlib
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules.bad_input import BadInput
from metrics.inception import Convention, InceptionFeatures, load_inception
from metrics.inception import _network as architecture
from metrics.lpips import LPIPS, load_lpips

ENTRIES = {
    "pytorch_fid": "inception.fid_weights.pytorch_fid_resize",
    "torch_fidelity": "inception.fid_weights.tf1_resize",
    "clean": "inception.fid_weights.clean_resize",
    "pose": "inception.torchvision_weights.gfla_pidm_lineage",
}


@pytest.mark.parametrize("convention", get_args(Convention))
def test_inception_features_are_the_reference(
    golden: Any, pictures: tuple[Tensor, Tensor], convention: Convention
) -> None:
    shapes = {name: tuple(value.shape) for name, value in architecture(convention).state_dict().items()}
    drawn = golden.recipe.state_dict(shapes, 0)
    state = {
        name: torch.from_numpy(value * np.float32(1.5) if value.ndim == 4 else value) for name, value in drawn.items()
    }
    features = InceptionFeatures(convention, state)(pictures[1][:1, :, :128, :64])[0]
    expected = golden.values[ENTRIES[convention]]
    assert features.shape == (2048,)
    assert features.mean().item() == pytest.approx(expected["mean"], rel=2e-4)
    assert features.std().item() == pytest.approx(expected["std"], rel=2e-4)
    assert features[:8].tolist() == pytest.approx(expected["first8"], rel=2e-4, abs=1e-6)


def test_lpips_is_the_reference(golden: Any) -> None:
    shapes = {name: tuple(shape) for name, shape in golden.inputs["lpips"]["state"].items()}
    drawn = golden.recipe.state_dict(shapes, 0)
    # net.slice2.3.weight -> features.3.weight, torchvision's name
    alexnet = {f"features.{name.split('.', 2)[2]}": torch.from_numpy(value) for name, value in drawn.items()}
    x = golden.image("metrics.lpips.x", 2, 3, 64, 64)
    y = 0.5 * x + 0.5 * golden.image("metrics.lpips.y", 2, 3, 64, 64)
    lpips = LPIPS(alexnet)
    torch.testing.assert_close(lpips(x, y), torch.tensor(golden.values["lpips.alex.recipe_trunk"]), rtol=2e-4, atol=0)
    assert lpips(x, x).abs().max() == 0
    assert not any(parameter.requires_grad for parameter in lpips.parameters())


def test_building_lpips_draws_nothing_from_torchs_generator(golden: Any) -> None:
    shapes = {name: tuple(shape) for name, shape in golden.inputs["lpips"]["state"].items()}
    alexnet = {f"features.{name.split('.', 2)[2]}": torch.zeros(shape) for name, shape in shapes.items()}
    before = torch.get_rng_state()
    LPIPS(alexnet)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_weights_are_refused(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(1)}, file)
    with pytest.raises(BadInput, match=r"does not hold torchvision's AlexNet; LPIPS needs alexnet-owt-7be5be79.pth"):
        load_lpips(file)
    with pytest.raises(BadInput, match=r"fid_convention=pose; it needs inception_v3_google-0cc3c7bd.pth"):
        load_inception("pose", file)
    file.write_text("not weights")
    with pytest.raises(BadInput, match="not a file of weights"):
        load_lpips(file)
