"""Edits as a user asks for them, through `translate.py` and a checkpoint; what cannot be done is one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from engine import translation
from lightning_modules.swapae import directions, editing
from lightning_modules.swapae.autoencoder import Autoencoder
from tests.commanding import composed, train

SAMPLES = Path(os.environ.get("SAMPLES_ROOT", Path(__file__).parents[4] / "shared" / "samples"))
TINY = ["model=swapae", "data=celebahq", "experiment=smoke", "data.structure=image", "test=false", "callbacks.grids=null",
        "trainer.limit_val_batches=0", "trainer.max_steps=1", "callbacks.best_checkpoint=null"]  # fmt: skip
PHOTOS = [(90, 120), (64, 64), (101, 77)]
"""Width and height."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """One of a tiny model, whose faces are 64x64 and whose least side is 56."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("data")))
        yield train(tmp_path_factory.mktemp("run"), *TINY).last


@pytest.fixture
def photos(tmp_path):
    """A folder of three pictures of different sizes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, size in enumerate(PHOTOS):
        Image.effect_noise(size, 90).convert("RGB").save(folder / f"{number}.jpg")
    return folder


@pytest.fixture
def mask(tmp_path):
    """White at the left, soft towards the right."""
    path = tmp_path / "mask.png"
    Image.fromarray(np.tile(np.linspace(255, 0, 40).astype(np.uint8), (30, 1))).save(path)
    return path


def translated(checkpoint, out, source, structure, *more) -> list[Image.Image]:
    words = [f"ckpt={checkpoint}", f"out={out}", f"source={source}", f"structure={structure}", "device=cpu", *more]
    translation.main(composed(*words, command="translate"), out)
    return [Image.open(path) for path in sorted(out.glob("*.png"))]


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ([], 64),
        (["+options.steps=5"], 5 * 64),
        (["+options.mask={mask}"], 64),
        (["+options.mask={mask}", "+options.fusion=features", "+options.steps=2"], 2 * 64),
        (["+options.regions=[{{mask: {mask}, style: {photo}}}, {{mask: {mask}}}]"], 64),
        (["+options.styles={photos}"], 4 * 64),
    ],
)
def test_every_edit_makes_an_image_of_each_file(options, width, checkpoint, photos, mask, tmp_path):
    words = [option.format(mask=mask, photo=photos / "2.jpg", photos=photos) for option in options]
    made = translated(checkpoint, tmp_path / "out", photos / "0.jpg", photos, *words, "batch_size=2")
    # One image is as large as the picture that it changes, a strip as large as the method makes it.
    assert [image.size for image in made] == (PHOTOS if width == 64 else [(width, 64)] * 3)


@pytest.mark.parametrize(
    "options",
    [
        ["+options.mask={mask}"],
        ["+options.mask={masks}"],
        ["+options.regions=[{{mask: {mask}, style: {photo}}}]"],
        ["+options.regions=[{{mask: {masks}}}, {{mask: {nowhere}}}]", "+options.fusion=features"],
    ],
)
def test_masks_lie_where_the_picture_does_that_they_were_painted_over(
    options, checkpoint, photos, tmp_path, monkeypatch
):
    """A wide picture is continued above and below: the bottom quarter of its mask is that of the picture, not of the whole."""
    seen = {}

    def region_style(base, regions, fusion):
        seen["masks"] = [region.mask for region in regions]
        return original(base, regions, fusion)

    def encode(made, image):
        seen.setdefault("pictures", image)  # the batch's come first, before those of regions
        return encoded(made, image)

    original, encoded = editing.region_style, Autoencoder.encode
    monkeypatch.setattr(editing, "region_style", region_style)
    monkeypatch.setattr(Autoencoder, "encode", encode)
    (tmp_path / "masks").mkdir()
    painted = np.zeros((80, 160), np.uint8)
    Image.fromarray(painted).save(tmp_path / "nowhere.png")
    painted[60:] = 255
    Image.fromarray(painted).save(tmp_path / "masks" / "wide.png")
    Image.fromarray(painted).convert("RGB").save(photos / "wide.png")
    named = {"mask": tmp_path / "masks" / "wide.png", "masks": tmp_path / "masks", "nowhere": tmp_path / "nowhere.png"}
    words = [option.format(**named, photo=photos / "2.jpg") for option in options]
    (image,) = translated(checkpoint, tmp_path / "out", photos / "0.jpg", photos / "wide.png", *words)
    assert image.size == (160, 80)
    mask = seen["masks"][0][0, 0]
    assert mask.any(1).nonzero().flatten().tolist() == list(range(40, 64)), (
        "from 60 of 80 rows on, which are 16 to 48 of 64"
    )
    assert torch.equal(mask > 0.5, seen["pictures"][0].mean(0) > 0)
    assert not any(mask.any() for mask in seen["masks"][1:])


def test_images_of_any_size_are_padded_and_come_back_as_they_were(checkpoint, photos, mask, tmp_path):
    (image,) = translated(checkpoint, tmp_path / "out", photos / "0.jpg", photos / "1.jpg", "+data.height=61",
                          "+data.width=59", f"+options.mask={mask}", "original_size=false")  # fmt: skip
    assert image.size == (59, 61)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["+data.height=20"], "20x64 is too small.*at least 56"),
        (["+options.mask=none.png"], "none.png does not exist"),
        (["+options.styles=5"], "styles=5 must be a folder"),
        (["+options.mask=[1,2]"], "must be an image file"),
        (["+options.regions=mask.png"], "options.regions='mask.png'"),
        (["+options.steps=many"], "options.steps='many'"),
        (["+model.encoder.style_channels=16", "+model.generator.style_channels=16"], r"blocks.* is \(32.* should be \(16"),
        (["+model.encoder.style_channels=16"], "do not fit: style channels 16 and 32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(words, reason, checkpoint, photos, tmp_path):
    with pytest.raises(BadInput, match=reason):
        translated(checkpoint, tmp_path / "out", photos / "0.jpg", photos / "1.jpg", *words)
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.parametrize("pictures", ["celebahq/CelebA-HQ-img", "ade20k/validation"])
def test_photographs_of_the_datasets_are_swapped(pictures, checkpoint, mask, tmp_path):
    photos = sorted((SAMPLES / pictures).glob("*.jpg"))
    if not photos:
        pytest.skip(f"{SAMPLES / pictures} holds no photographs: set SAMPLES_ROOT to a folder that does")
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos[:3]:
        (folder / photo.name).symlink_to(photo)
    made = translated(checkpoint, tmp_path / "out", photos[-1], folder, f"+options.mask={mask}")
    assert [image.size for image in made] == [Image.open(photo).size for photo in sorted(folder.iterdir())]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["data.batch_size=1"], "a swap needs two images: set data.batch_size to at least 2"),
        (["data.height=24", "data.width=64", "data.load_height=null", "model.encoder.content_downsamplings=3"],
         "24x64 are too small for 3 halvings.*at least 56"),
    ],
)  # fmt: skip
def test_training_that_cannot_be_is_refused(words, reason, tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", str(tmp_path_factory.mktemp("data")))
    with pytest.raises(BadInput, match=reason):
        train(tmp_path / "run", *TINY, *words)


def test_a_folder_of_one_image_is_no_training_set(photos, tmp_path):
    for number in ("1", "2"):
        (photos / f"{number}.jpg").unlink()
    words = ["model=swapae", "data=folders", "size=tiny", "data.replica=null", f"data.root={photos.parent}", "data.folder_x=photos",
             "data.folder_y=photos", "data.pattern_x=*", "data.pattern_y=*", "data.val_fraction=0"]  # fmt: skip
    with pytest.raises(BadInput, match="the train split has 1 pairs, fewer than one batch"):
        train(tmp_path / "run", *words)


def test_directions_are_found_in_the_training_images_and_change_a_users_picture(checkpoint, photos, tmp_path, capsys):
    out = tmp_path / "directions"
    with pytest.raises(SystemExit) as ended:
        directions.main(
            [f"ckpt={checkpoint}", f"out={out}", "components=2", "images=6", "shown=3", "data.batch_size=2"]
        )
    assert ended.value.code == 0
    assert "2 directions of 6 style codes" in capsys.readouterr().out
    assert (out / "directions.csv").read_text().startswith("component,explained_variance\n0,0.")
    assert Image.open(out / "component_1.png").size == (5 * 64, 3 * 64), "three images, although a batch has two"
    photo = photos / "1.jpg"
    plain, shifted = (
        translated(checkpoint, tmp_path / name, photo, photo, "+options.amount=0", *more)[0]
        for name, more in (
            ("plain", []),
            ("shifted", [f"+options.directions={out / 'directions.safetensors'}", "+options.shift=3"]),
        )
    )
    assert np.abs(np.asarray(plain, float) - np.asarray(shifted, float)).max() > 1
    with pytest.raises(SystemExit, match="exists already"):
        directions.main([f"ckpt={checkpoint}", f"out={out}"])
