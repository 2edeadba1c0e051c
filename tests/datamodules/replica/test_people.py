"""The drawing engine on its own: facing directions, resolutions, what is hidden."""

from __future__ import annotations

import numpy as np
import pytest

from datamodules.replica.background import Street, Studio
from datamodules.replica.body import PART
from datamodules.replica.figure import OPENPOSE, Pose
from datamodules.replica.people import Identity, Light, draw, framed
from datamodules.replica.truth import correspondence


def somebody(number=0):
    return Identity.sample(np.random.default_rng([7, number]))


def stance(facing, number=0):
    return Pose.sample(np.random.default_rng([8, number]), facing, spread=0.05)


def plain(height=128, width=64):
    return np.full((height, width, 3), 128, np.uint8)


def visible(facing, number=0):
    """The names of the joints that can be seen."""
    drawing = draw(somebody(number), stance(facing, number), plain())
    return {name for name, point in zip(OPENPOSE, drawing.keypoints, strict=True) if point[2]}


@pytest.mark.parametrize("number", range(4))
def test_face_is_seen_from_the_front_only_and_one_side_of_it_from_the_side(number):
    assert {"nose", "r_eye", "l_eye"} <= visible("front", number)
    assert not {"nose", "r_eye", "l_eye"} & visible("back", number)
    assert "r_ear" not in visible("left", number)  # who looks to the left of the image turns the right ear away
    assert "l_ear" not in visible("right", number)


def test_joints_of_the_far_side_are_hidden():
    poses = [visible("right", number) for number in range(8)]
    assert sum("l_shoulder" in seen for seen in poses) <= 4
    assert all("r_shoulder" not in seen or "l_hip" not in seen or "l_shoulder" not in seen for seen in poses)


def test_right_and_left_swap_sides_from_behind():
    right, left = OPENPOSE.index("r_shoulder"), OPENPOSE.index("l_shoulder")
    front, back = (draw(somebody(), stance(facing), plain()).keypoints for facing in ("front", "back"))
    assert front[right, 0] < front[left, 0]
    assert back[right, 0] > back[left, 0]


def test_the_chest_shows_in_front_and_the_back_behind():
    """u = 0.5 is the middle of the front."""
    for facing, near_front in (("front", True), ("back", False)):
        drawing = draw(somebody(), stance(facing), plain())
        u = drawing.uv[drawing.part == PART["torso"]][:, 0].astype(float)
        assert (np.abs(np.median(np.abs(u - 0.5)) < 0.25)) == near_front


def test_a_larger_picture_shows_the_same_person_more_finely():
    small = draw(somebody(), stance("front"), plain(128, 64))
    large = draw(somebody(), stance("front"), plain(384, 192))
    reduced = large.image.reshape(128, 3, 64, 3, 3).mean(axis=(1, 3))
    assert np.abs(reduced - small.image).mean() < 4
    np.testing.assert_allclose(large.keypoints[:, 0], 3 * small.keypoints[:, 0] + 1, atol=0.01)
    agree = (large.part[1::3, 1::3] == small.part).mean()
    assert agree > 0.99


def test_light_comes_from_where_it_is_said_to_come():
    def brightness(azimuth):
        drawing = draw(somebody(), stance("front"), plain(), light=Light(azimuth=azimuth))
        skin = drawing.part == PART["torso"]
        columns = np.nonzero(skin)[1]
        grey = drawing.image.mean(axis=2)[skin]
        middle = np.median(columns)
        return grey[columns < middle].mean() - grey[columns > middle].mean()

    assert brightness(-1.0) > brightness(1.0) + 10


def test_even_samples_are_refused():
    with pytest.raises(ValueError, match="odd"):
        draw(somebody(), stance("front"), plain(), samples=2)


def test_stripes_stay_on_the_garment():
    """Without light and shadow, colours along the correspondence are equal but for the edges of stripes."""
    even = Light(ambient=1.12, shadow=0.0)
    errors = []
    for number in range(6):
        one, other = (
            draw(somebody(number), stance(facing, 10 + number), plain(256, 128), light=even)
            for facing in ("front", "right")
        )
        found = correspondence(one.part, one.uv, other.part, other.uv)
        seen = np.isfinite(found[..., 0])
        x, y = found[seen].astype(int).T
        errors.append(np.abs(one.image[seen].astype(float) - other.image[y, x]).mean(axis=1))
    assert np.median(np.concatenate(errors)) < 12


def test_framing_keeps_the_person_inside():
    for number in range(6):
        identity, pose = somebody(number), stance("front", number)
        drawing = draw(identity, pose, plain(), framed(identity, pose, 128, 64, fill=0.9))
        rows, columns = np.nonzero(drawing.silhouette)
        assert rows.min() > 0
        assert rows.max() < 127
        assert columns.min() > 0
        assert columns.max() < 63
        assert rows.max() - rows.min() > 0.5 * 128


def test_backgrounds_are_places():
    """Pictures of one camera resemble each other more than those of another; a studio is nearly white."""
    streets = [Street.sample(np.random.default_rng(seed)) for seed in (1, 2, 3)]
    pictures = [[street.draw(128, 64, np.random.default_rng(i)).astype(float) for i in range(2)] for street in streets]
    assert all(np.abs(a - b).mean() > 1 for a, b in pictures)
    colour = np.array([[image.mean(axis=(0, 1)) for image in images] for images in pictures])
    assert np.abs(colour[:, 0] - colour[:, 1]).mean() < np.abs(colour - colour[::-1]).mean() + np.std(colour[:, 0])
    assert Studio().draw(32, 32, np.random.default_rng(0)).mean() > 235
