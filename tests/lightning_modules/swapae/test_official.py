"""Published checkpoints: every entry is accounted for, and what does not fit is said."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.swapae import official

TINY = {
    "crop_size": 16,
    "spatial_code_ch": 4,
    "global_code_ch": 16,
    "netE_num_downsampling_sp": 2,
    "netE_num_downsampling_gl": 1,
    "netE_scale_capacity": 0.125,
    "netG_scale_capacity": 1 / 32,
    "netD_scale_capacity": 1 / 64,
    "netPatchD_scale_capacity": 1 / 16,
    "netPatchD_max_nc": 8,
    "patch_size": 8,
}
MAKERS = ("E", "G")


@pytest.fixture(scope="module")
def state():
    """A whole published state dict, with constants and counter."""
    torch.manual_seed(0)
    parts = official.networks(TINY)
    return {**official.to_official(parts, with_constants=True), official.COUNTER: torch.tensor([7])}


def makers(**options):
    return {prefix: official.network(prefix, {**TINY, **options}) for prefix in MAKERS}


@pytest.mark.parametrize("with_constants", [True, False])
def test_everything_goes_there_and_back_with_constants_or_without(state, with_constants):
    given = {name: value for name, value in state.items() if with_constants or not name.endswith(".kernel")}
    parts = official.networks(TINY)
    report = official.load_state(parts, given)
    again = official.to_official(parts, with_constants=with_constants)
    assert {*again, official.COUNTER} == set(given)
    assert all(torch.equal(value, given[name]) for name, value in again.items())
    assert len(report.loaded) + len(report.constant) + len(report.ignored) == len(given)
    assert bool(report.constant) == with_constants
    assert report.ignored == [official.COUNTER]


def test_encoder_and_generator_load_without_the_discriminators(state):
    report = official.load(makers(), state)
    assert {name.split(".")[0] for name in report.loaded} == {"E", "G"}
    assert any(name.startswith("Dpatch.") for name in report.ignored)
    assert "loaded" in str(report)


def test_another_width_is_named(state):
    with pytest.raises(BadInput, match=r"last generator width 4 \(here 8\)"):
        official.load(makers(netG_scale_capacity=1 / 16), state)
    with pytest.raises(BadInput, match=r"style channels 16 \(here 32\)"):
        official.load(makers(global_code_ch=32), state)


def test_a_network_that_does_not_fit_is_left_as_it_was(state):
    parts = makers()
    before = {name: value.clone() for name, value in parts["E"].state_dict().items()}
    with pytest.raises(BadInput, match=r"G\.ToRGB\.bias is missing"):
        official.load(parts, {name: value for name, value in state.items() if name != "G.ToRGB.bias"})
    assert all(torch.equal(value, before[name]) for name, value in parts["E"].state_dict().items())


def test_unknown_entries_and_other_kernels_are_refused(state):
    with pytest.raises(BadInput, match=r"E\.Extra\.weight has no place"):
        official.load(makers(), {**state, "E.Extra.weight": torch.zeros(1)})
    name = next(name for name in state if name.startswith("E.") and name.endswith("Blur.kernel"))
    with pytest.raises(BadInput, match="another blur kernel"):
        official.load(makers(), {**state, name: state[name] * 2})
    with pytest.raises(BadInput, match="without blur"):
        official.networks({"use_antialias": False})


def test_a_file_is_read_without_executing_anything(state, tmp_path):
    torch.save(state, tmp_path / "latest_checkpoint.pth")
    report = official.load(makers(), tmp_path / "latest_checkpoint.pth")
    assert report.source.endswith("latest_checkpoint.pth")
    torch.save({"args": TestError("code")}, tmp_path / "code.pth")
    for name, reason in (("none.pth", "no such file"), ("code.pth", "cannot be read"), ("cut.pth", "cannot be read")):
        (tmp_path / "cut.pth").write_bytes((tmp_path / "latest_checkpoint.pth").read_bytes()[:500])
        with pytest.raises(BadInput, match=reason):
            official.read(tmp_path / name)
    torch.save({"model": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match="no flat state dict"):
        official.read(tmp_path / "other.pth")


class TestError(Exception):
    """Something that only code can bring back."""

    __test__ = False


def test_the_released_sizes_are_told_from_the_shapes(state):
    with torch.device("meta"):
        wide = official.to_official(official.networks(official.RELEASED["FFHQ or mountain at 512"]))
    assert official.released(wide) == {"crop_size": 512}
    with pytest.raises(BadInput, match="no published model"):
        official.released(state)
