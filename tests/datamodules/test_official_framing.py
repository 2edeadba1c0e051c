"""The framings of CycleGAN's code in training: equal to it pixel for pixel, and alike for all that belongs to a picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from datamodules.official_framing import OfficialFraming
from datamodules.preprocess import cropped, resized
from datamodules.transforms import Framing
from tests.datamodules.conftest import first_batch, keeps_contract, paint

MODES = ["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"]


@pytest.fixture
def picture(tmp_path):
    return paint(tmp_path / "a.png", 3, size=(70, 50))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_picture_equals_the_official_framing(picture, mode, mirrored):
    image = Image.open(picture)
    framing = OfficialFraming(32, 32, 36, 36, mirrored=mirrored, preprocess=mode, down=0.4, across=0.9).fitted(
        (70, 50), "a"
    )
    expected = resized(image, mode, 36, 32)
    if mode in ("resize_and_crop", "crop", "scale_width_and_crop"):
        expected = cropped(expected, (framing.left, framing.top), 32)
    found = framing.picture(np.array(image)).permute(1, 2, 0).numpy()
    assert np.array_equal(found, np.array(expected)[:, ::-1] if mirrored else np.array(expected))


@pytest.mark.parametrize("mode", MODES)
def test_a_joint_and_a_label_stay_on_what_they_mark(mode):
    """A white square is a label as well, and a joint lies in its middle."""
    pixels = np.zeros((80, 60, 3), np.uint8)
    pixels[36:48, 24:36] = 255
    framing = OfficialFraming(48, 40, 60, 48, mirrored=True, preprocess=mode, down=0.4, across=0.6).fitted(
        (80, 60), "a"
    )
    shown = framing.picture(pixels)[0].float() / 255
    labels = framing.labels(pixels[..., 0] // 255)
    half = framing.labels((pixels[::2, ::2, 0] // 255).copy())
    assert (shown.round() - labels).abs().mean() < 0.02
    assert (half - labels).float().abs().mean() < 0.02, "a map that is stored smaller is framed like its picture"
    points = torch.zeros(18, 3).numpy()
    points[0] = 29.5, 41.5, 1
    x, y = framing.annotation(points, "keypoints", (80, 60))[0, :2].round().int().tolist()
    assert shown[y - 2 : y + 3, x - 2 : x + 3].min() > 0.9


def test_places_are_drawn_over_the_whole_picture():
    framing = OfficialFraming(4, 4, 4, 4, preprocess="crop")
    rng = np.random.default_rng(0)
    fitted = [framing.drawn(rng, 0.5).fitted((10, 6), "a") for _ in range(300)]
    assert {one.top for one in fitted} == set(range(7))
    assert {one.left for one in fitted} == set(range(3))


@pytest.mark.parametrize("mode", MODES)
def test_training_and_files_of_ones_own_are_framed_by_the_chosen_mode(folders, tmp_path, mode):
    for number in range(8):
        paint(tmp_path / "x" / f"{number}.png", number, size=(40 + number, 30))
        paint(tmp_path / "y" / f"{number}.png", number + 9, size=(38, 28))
    sizes = {"height": 16, "width": 24, "load_height": 20, "load_width": 28, "batch_size": 1}
    data = folders(folder_y="y", preprocess=mode, **sizes)
    batch = first_batch(data)
    size = {"scale_width": (35, 28), "none": (36, 28)}.get(mode)
    if mode == "scale_width":
        assert batch.target.shape == (1, 3, 38, 28), "as wide as it is to be already"
        assert batch.source.shape[3] == 28
    elif mode == "none":
        assert batch.target.shape[2:] in ((36, 28), (40, 28))
        assert batch.source.shape[2] % 4 == 0
    else:
        assert size is None
        keeps_contract(batch, 3, 16, 24)
    mine = data.batch_from_files([tmp_path / "y" / "0.png"], [None])
    wanted = {"scale_width": (32, 24), "none": (40, 28)}.get(mode, (16, 24))
    assert tuple(mine.source.shape[2:]) == wanted
    assert data.examples("val", 4).size >= 1


def test_the_default_is_what_it_was():
    framing = Framing(16, 16, 20, 20)
    assert framing.fitted((3, 5), "a") is framing


def test_what_cannot_be_is_said_in_a_sentence(folders, tmp_path, picture):
    with pytest.raises(BadInput, match=r"set data\.batch_size=1 data\.eval_batch_size=1"):
        folders(folder_y="y", preprocess="none")
    with pytest.raises(BadInput, match=r"a\.png is 70 x 50 .* too small for data\.preprocess=crop to cut 80 x 80"):
        folders(folder_y="y", preprocess="crop", height=80, width=80).batch_from_files([picture], [None])
    with pytest.raises(BadInput, match=r"data\.cache=packed"):
        folders(folder_y="y", preprocess="crop", cache="packed")


def test_poses_and_parts_are_framed_with_their_pictures(market, celebahq):
    keeps_contract(first_batch(market(preprocess="crop", height=100, width=60)), 18, 100, 60)
    for structure, channels in (("labels", 19), ("part_edges", 15)):
        data = celebahq(structure=structure, preprocess="scale_width_and_crop", load_height=52, load_width=52)
        keeps_contract(first_batch(data), channels, 48, 48)
