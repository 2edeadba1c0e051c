"""Edits do what they say, and nothing else, in batches of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from lightning_modules.swapae.directions import Directions, direction_strips, settings_of, style_codes
from lightning_modules.swapae.editing import Region, placed_options, region_style, translate
from tests.lightning_modules.swapae.networks import autoencoder, batch_of

CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@pytest.fixture
def made():
    return autoencoder()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "style.png"
    Image.effect_noise((20, 30), 90).convert("RGB").save(path)
    return path


def test_all_of_the_way_is_a_swap_and_none_is_a_reconstruction(made):
    batch = batch_of(3)
    swapped, kept = translate(made, batch, "fixed"), translate(made, batch, "fixed", amount=0.0)
    content, style = made.encode(batch.target), made.encode(batch.source)
    noise = made.fixed_noise(content)
    torch.testing.assert_close(swapped, made.decode(content, style.style, noise), **CLOSE)
    torch.testing.assert_close(kept, made.decode(content, noise=noise), **CLOSE)


@pytest.mark.parametrize("options", [{}, {"amount": 0.3}, {"mask": torch.eye(16)}, {"steps": 3}, {"fusion": "features", "mask": torch.eye(16)}])  # fmt: skip
def test_a_batch_is_its_images_one_by_one(made, options):
    batch = batch_of(3)
    alone = torch.cat([translate(made, batch.select([i]), "fixed", **options) for i in range(3)])
    torch.testing.assert_close(translate(made, batch, "fixed", **options), alone, **CLOSE)


@pytest.mark.parametrize("fusion", ["modulation", "features"])
def test_a_mask_that_is_everywhere_swaps_and_one_that_is_nowhere_reconstructs(made, fusion):
    batch = batch_of(2)
    everywhere = translate(made, batch, "fixed", mask=torch.ones(16, 16), fusion=fusion)
    nowhere = translate(made, batch, "fixed", mask=torch.zeros(16, 16), fusion=fusion)
    torch.testing.assert_close(everywhere, translate(made, batch, "fixed"), **CLOSE)
    torch.testing.assert_close(nowhere, translate(made, batch, "fixed", amount=0.0), **CLOSE)


@pytest.mark.parametrize("fusion", ["modulation", "features"])
def test_far_from_a_region_nothing_changes_at_all(made, fusion):
    batch = batch_of(2, 16, 128)
    mask = torch.zeros(16, 128)
    mask[:, :8] = 1
    edited, kept = (
        translate(made, batch, "fixed", mask=mask, fusion=fusion),
        translate(made, batch, "fixed", amount=0.0),
    )
    assert (edited[..., :8] - kept[..., :8]).abs().max() > 0.01
    torch.testing.assert_close(edited[..., 64:], kept[..., 64:], atol=1e-6, rtol=0)


def test_a_soft_mask_lies_between(made):
    batch = batch_of(2)
    kept, swapped = translate(made, batch, "fixed", amount=0.0), translate(made, batch, "fixed")
    soft = translate(made, batch, "fixed", mask=torch.full((16, 16), 0.5))
    assert 0 < (soft - kept).abs().mean() < (swapped - kept).abs().mean()


def test_regions_are_laid_one_over_the_other():
    base, one, two = torch.randn(3, 2, 16)
    masks = torch.rand(2, 2, 1, 8, 8)
    style = region_style(base, [Region(masks[0], one), Region(masks[1], two)])
    assert style.codes.shape == (2, 3, 16)
    torch.testing.assert_close(style.weights.sum(1), torch.ones(2, 8, 8))
    torch.testing.assert_close(style.weights[:, 2:], masks[1])
    torch.testing.assert_close(style.weights[:, 1:2], masks[0] * (1 - masks[1]))


def test_several_regions_take_several_pictures(made, picture):
    batch = batch_of(2, 16, 64)
    left, right = torch.zeros(2, 16, 64).unbind()
    left[:, :8], right[:, -8:] = 1, 1
    both = translate(made, batch, "fixed", regions=[{"mask": left}, {"mask": right, "style": str(picture)}])
    only = translate(made, batch, "fixed", regions=[{"mask": left}])
    other = translate(made, batch, "fixed", regions=[{"mask": right, "style": str(picture)}])
    torch.testing.assert_close(both[..., :12], only[..., :12], atol=1e-6, rtol=0)
    torch.testing.assert_close(both[..., -12:], other[..., -12:], atol=1e-6, rtol=0)


def test_regions_of_an_odd_size_are_padded_with_the_images(made):
    batch = batch_of(2, 13, 15)
    edited = translate(made, batch, "fixed", mask=torch.ones(13, 15))
    torch.testing.assert_close(edited, translate(made, batch, "fixed"), **CLOSE)


def test_a_strip_goes_from_the_own_style_to_the_other(made):
    batch = batch_of(2)
    strip = translate(made, batch, "fixed", steps=4)
    assert strip.shape == (2, 3, 16, 64)
    torch.testing.assert_close(strip[..., :16], translate(made, batch, "fixed", amount=0.0), **CLOSE)
    torch.testing.assert_close(strip[..., -16:], translate(made, batch, "fixed"), **CLOSE)


def test_a_grid_has_every_pair(made, picture):
    batch = batch_of(3)
    grid = translate(made, batch, "fixed", grid=True)
    assert grid.shape == (3, 3, 16, 64)
    torch.testing.assert_close(grid[..., :16], batch.target)
    for i in range(3):
        torch.testing.assert_close(
            grid[i, ..., 16 * (i + 1) : 16 * (i + 2)], translate(made, batch, "fixed")[i], **CLOSE
        )
    (picture.parent / "second.png").write_bytes(picture.read_bytes())
    of_folder = translate(made, batch, "fixed", styles=str(picture.parent))
    assert of_folder.shape == (3, 3, 16, 48)
    torch.testing.assert_close(of_folder[..., 16:32], of_folder[..., 32:])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"amout": 1}, "Did you mean 'amount'"),
        ({"steps": 1}, "at least 2"),
        ({"mask": torch.ones(16, 16), "regions": [{"mask": torch.ones(16, 16)}]}, "not both"),
        ({"regions": [{"style": "a.png"}]}, "a region is"),
        ({"regions": [{"mask": torch.ones(16, 16), "style": "none.png"}]}, "style none.png does not exist"),
        ({"mask": torch.ones(8, 8)}, "does not fit"),
        ({"grid": True, "steps": 3}, "leave out"),
        ({"fusion": "images"}, "should be 'modulation' or 'features'"),
        ({"grid": True, "amount": 0.5}, "leave out amount"),
        ({"grid": True, "styles": "styles"}, "not both"),
        ({"directions": "none.safetensors", "shift": 2.0}, "no such file"),
        ({"directions": "some.safetensors", "component": 3}, "changes nothing without shift"),
        ({"shift": 2.0}, "need directions=FILE"),
        ({"regions": []}, "names no region"),
        ({"regions": "mask.png"}, "options.regions='mask.png': "),
        ({"regions": ["mask.png"]}, r"options.regions.0='mask.png': input should be a valid dictionary"),
        ({"amount": "much"}, "options.amount='much': input should be a valid number"),
        ({"steps": 2.5}, "options.steps=2.5: input should be a valid integer"),
        ({"mask": [1, 2]}, "not list"),
    ],
)
def test_what_cannot_be_done_is_said(made, options, reason):
    with pytest.raises(BadInput, match=reason):
        translate(made, batch_of(2), "fixed", **options)


def test_a_folder_is_no_style_of_a_region(made, tmp_path):
    with pytest.raises(BadInput, match="is a folder: name an image file"):
        translate(made, batch_of(2), "fixed", regions=[{"mask": torch.ones(16, 16), "style": str(tmp_path)}])


def test_a_folder_holds_a_mask_for_each_image(made, tmp_path):
    batch = batch_of(2, 16, 128)
    for name, side in (("0", slice(0, 8)), ("1", slice(-8, None))):
        mask = np.zeros((16, 128), np.uint8)
        mask[:, side] = 255
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    kept = translate(made, batch, "fixed", amount=0.0)
    change = (translate(made, batch, "fixed", mask=str(tmp_path)) - kept).abs().amax((1, 2))
    assert change[0, :8].max() > 0.01 > 1e-6 > change[0, 64:].max()
    assert change[1, -8:].max() > 0.01 > 1e-6 > change[1, :64].max()
    (tmp_path / "1.png").unlink()
    with pytest.raises(BadInput, match="no mask for 1"):
        translate(made, batch, "fixed", mask=str(tmp_path))


def test_styles_of_a_folder_are_whole_swaps(made, picture):
    with pytest.raises(BadInput, match="leave out amount, mask"):
        translate(made, batch_of(2), "fixed", styles=str(picture), mask=torch.ones(16, 16))


def test_a_folder_without_pictures_has_no_styles(made, tmp_path):
    with pytest.raises(BadInput, match="no pictures"):
        translate(made, batch_of(2), "fixed", styles=str(tmp_path))


def test_directions_are_the_principal_components(tmp_path):
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(16, 16)).Q[:2]
    codes = 3 + torch.randn(400, 1) * 2 * axes[0] + torch.randn(400, 1) * axes[1] + 0.01 * torch.randn(400, 16)
    found = Directions.of(codes, 2)
    assert (found.axes @ axes.T).abs().diagonal().min() > 0.98
    torch.testing.assert_close(found.deviations, torch.tensor([2.0, 1.0]), atol=0.2, rtol=0)
    assert 0.99 < found.explained.sum() <= 1
    torch.testing.assert_close(found.mean, codes.mean(0))
    found.write(tmp_path / "directions.safetensors")
    again = Directions.read(str(tmp_path / "directions.safetensors"))
    assert torch.equal(again.axes, found.axes)
    moved = again.shifted(codes[:2], 1, 2.0) - codes[:2]
    torch.testing.assert_close(moved, (2 * found.deviations[1] * found.axes[1]).expand(2, -1))


def test_directions_of_a_model_shift_its_images(made, tmp_path):
    codes = style_codes(made, (batch_of(4, seed=seed).source for seed in range(5)), limit=10)
    assert codes.shape == (10, 16)
    found = Directions.of(codes, 3)
    strips = direction_strips(made, found, batch_of(2).source, steps=3)
    assert strips.shape == (3, 3, 32, 48)
    batch = batch_of(2)
    shifted = translate(made, batch, "fixed", amount=0.0, directions=found, component=1, shift=3.0)
    assert not torch.allclose(shifted, translate(made, batch, "fixed", amount=0.0))
    with pytest.raises(BadInput, match="0 to 2"):
        translate(made, batch, "fixed", directions=found, component=3, shift=1.0)
    with pytest.raises(BadInput, match="at least two"):
        Directions.of(codes[:1])
    with pytest.raises(BadInput, match="16 style channels, the model has 8"):
        found.shifted(torch.zeros(1, 8), 0, 1.0)
    (tmp_path / "other.safetensors").write_text("no")
    with pytest.raises(BadInput, match="no file of style directions"):
        Directions.read(tmp_path / "other.safetensors")


def test_the_command_says_what_it_was_not_given():
    assert settings_of(["ckpt=a.ckpt", "images=30"])[0]["images"] == 30
    assert settings_of(["ckpt=a.ckpt", "data.root=pictures", "data.batch_size=4"])[1] == {
        "root": "pictures",
        "batch_size": 4,
    }
    for words, reason in ((["ckp=a"], "Did you mean 'ckpt'"), (["ckpt=a", "images=x"], "a number"), ([], "is needed")):
        with pytest.raises(BadInput, match=reason):
            settings_of(words)


def test_files_that_belong_to_the_users_pictures_are_placed_like_them(made, picture):
    mask, shown = torch.zeros(1, 16, 16), torch.full((3, 16, 16), 0.5)
    mask[..., :8] = 1

    def place(file, kind):
        assert file.endswith("mask.png" if kind == "mask" else "style.png")
        return mask if kind == "mask" else shown

    assert placed_options({"mask": "mask.png", "amount": 0.5}, place) == {"mask": mask, "amount": 0.5}
    given = {"regions": [{"mask": "mask.png", "style": str(picture)}, {"mask": "mask.png"}]}
    placed = placed_options(given, place)
    assert placed == {"regions": [{"mask": mask, "style": shown}, {"mask": mask}]}
    assert given["regions"][0]["mask"] == "mask.png"
    batch = batch_of(2)
    only = translate(made, batch, "fixed", regions=placed["regions"][:1])
    as_source = batch_of(2)
    as_source.source.copy_(shown.expand(2, -1, -1, -1))
    torch.testing.assert_close(only, translate(made, as_source, "fixed", mask=mask), **CLOSE)
    styles = placed_options({"styles": [str(picture)] * 2}, place)["styles"]
    assert torch.equal(styles, torch.stack([shown, shown]))
    assert translate(made, batch, "fixed", styles=styles).shape == (2, 3, 16, 48)


def test_options_that_are_malformed_stay_for_translate_to_refuse(made):
    wrong = {"regions": "mask.png", "styles": 5, "mask": [1]}
    assert placed_options(wrong, lambda file, kind: pytest.fail("nothing to place")) == wrong
    assert placed_options({"regions": ["mask.png"]}, lambda file, kind: pytest.fail("no region")) == {
        "regions": ["mask.png"]
    }
