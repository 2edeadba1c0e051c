"""Keypoints from every kind of file become the same 18 joints."""

import json

import numpy as np
import pytest

from datamodules.bad_input import BadInput
from datamodules.structures.keypoint_csv import read_keypoints
from datamodules.structures.keypoint_files import BODY_25, COCO_17, read_pose
from datamodules.structures.pose import JOINTS
from tests.datamodules.conftest import SAMPLES, needs_samples

PERSON = {name: (10.0 + joint, 20.0 + 2 * joint, 0.5 + joint / 100) for joint, name in enumerate(JOINTS)}
"""A person of whom every joint is known, by the joint's name."""
EXPECTED = np.array([[*PERSON[name][:2], 1] for name in JOINTS], np.float32)


def flat(names, person=PERSON):
    return [number for name in names for number in person.get(name, (0, 0, 0))]


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("names", [JOINTS, BODY_25])
def test_openpose_with_18_or_25_joints(tmp_path, names):
    path = write(tmp_path / "a_keypoints.json", {"people": [{"pose_keypoints_2d": flat(names)}]})
    assert np.allclose(read_pose(path).keypoints, EXPECTED)


@pytest.mark.parametrize("form", ["annotations", "results"])
def test_coco_has_no_neck_and_gets_the_middle_of_the_shoulders(tmp_path, form):
    entry = {"image_id": 3, "keypoints": flat(COCO_17), "score": 0.9}
    images = [{"id": 3, "file_name": "a.jpg", "height": 200, "width": 100}]
    content = [entry] if form == "results" else {"images": images, "annotations": [entry]}
    pose = read_pose(write(tmp_path / "a.json", content))
    neck = (np.array(PERSON["left_shoulder"]) + PERSON["right_shoulder"])[:2] / 2
    expected = EXPECTED.copy()
    expected[JOINTS.index("neck"), :2] = neck
    assert np.allclose(pose.keypoints, expected)
    assert pose.size == (None if form == "results" else (200, 100))


def test_coco_with_many_images_gives_the_one_that_is_named(tmp_path):
    images = [{"id": i, "file_name": f"dir/{i}.jpg", "height": 9, "width": 9} for i in range(2)]
    entries = [{"image_id": i, "keypoints": [i + 1, 5, 2] + [0] * 48} for i in range(2)]
    path = write(tmp_path / "all.json", {"images": images, "annotations": entries})
    assert read_pose(path, "1.jpg").keypoints[0].tolist() == [2, 5, 1]
    with pytest.raises(BadInput, match="is about 2 images"):
        read_pose(path)
    with pytest.raises(BadInput, match=r"lists no image 7\.jpg"):
        read_pose(path, "7.jpg")


def test_a_joint_that_was_not_found_is_missing_in_every_format(tmp_path):
    person = {name: value for name, value in PERSON.items() if name != "left_ankle"}
    gone = JOINTS.index("left_ankle")
    rows = [list(person.get(name, (-1, -1))[:2]) for name in JOINTS]
    peaks = [name for name in JOINTS if name in person]
    subset = [peaks.index(name) if name in peaks else -1 for name in JOINTS]
    write(
        tmp_path / "p_candidate.txt",
        "\n".join(f"{x} {y} 0.9 {i}" for i, (x, y, _) in enumerate(map(person.get, peaks))),
    )
    write(tmp_path / "p_subset.txt", " ".join(map(str, [*subset, 20.0, 17])))
    csv = f"name:keypoints_y:keypoints_x\na.jpg: {[row[1] for row in rows]}: {[row[0] for row in rows]}"
    for path in (
        write(tmp_path / "a.json", {"people": [{"pose_keypoints_2d": flat(JOINTS, person)}]}),
        write(tmp_path / "b.json", [{"keypoints": flat(COCO_17, person)}]),
        write(tmp_path / "c.txt", "\n".join(f"{x} {y}" for x, y in rows)),
        tmp_path / "p_candidate.txt",
        tmp_path / "p_subset.txt",
        write(tmp_path / "d.csv", csv),
    ):
        keypoints = read_pose(path).keypoints
        assert keypoints[gone].tolist() == [0, 0, 0], path
        assert keypoints[:, 2].sum() == 17, path
        others = np.arange(18) != gone
        others[JOINTS.index("neck")] = False
        assert np.allclose(keypoints[others], EXPECTED[others]), path


def test_of_several_people_the_clearest_is_taken(tmp_path):
    faint = dict.fromkeys(JOINTS, (1, 1, 0.1))
    people = [{"pose_keypoints_2d": flat(JOINTS, person)} for person in (faint, PERSON, faint)]
    assert np.allclose(read_pose(write(tmp_path / "a.json", {"people": people})).keypoints, EXPECTED)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", "{", "is no valid JSON"),
        ("a.json", {"people": []}, "no person was found"),
        ("a.json", {"shapes": []}, "neither OpenPose's JSON"),
        ("a.json", {"people": [{"pose_keypoints_2d": [1, 2, 3]}]}, "a person has 1 joints; known are 18, 25, 17"),
        ("a.json", {"people": [{"pose_keypoints_2d": "left"}]}, "must be lists of numbers"),
        ("a_candidate.txt", "", "no person was found"),
        ("a.txt", "1 2\n3 4", "18 rows `x y` are expected"),
        ("a.txt", "1 2\nthree", "rows of equally many numbers"),
        ("a.xml", "<x/>", "is no file of keypoints"),
        ("a.csv", "name:x:y\n", "line 1: the header name:keypoints_y:keypoints_x expected"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, name, content, sentence):
    write(tmp_path / "a_subset.txt", "")
    with pytest.raises(BadInput, match=f"{name}.*{sentence}"):
        read_pose(write(tmp_path / name, content))


def test_a_table_of_poses_is_read_at_once(tmp_path):
    rows = [f"{i}.jpg: {[i] * 17 + [-1]}: {[i + 1] * 18}" for i in range(3)]
    names, keypoints = read_keypoints(write(tmp_path / "a.csv", "\n".join(["name:keypoints_y:keypoints_x", *rows])))
    assert names == ["0.jpg", "1.jpg", "2.jpg"]
    assert keypoints.shape == (3, 18, 3)
    assert keypoints[2, 0].tolist() == [3, 2, 1]
    assert not keypoints[:, 17].any()


@needs_samples
def test_the_peaks_of_a_real_photograph():
    folder = SAMPLES / "deepfashion" / "pose" / "WOMEN" / "Dresses" / "id_00000244"
    keypoints = read_pose(folder / "02_1_front_candidate.txt").keypoints
    visible = keypoints[keypoints[:, 2] > 0]
    assert len(visible) >= 12
    assert ((visible[:, :2] > 0) & (visible[:, :2] < 256)).all()
    nose, neck = keypoints[JOINTS.index("nose")], keypoints[JOINTS.index("neck")]
    assert nose[1] < neck[1]
    # A frontal picture: the right shoulder is on the picture's left.
    assert keypoints[JOINTS.index("right_shoulder"), 0] < keypoints[JOINTS.index("left_shoulder"), 0]
