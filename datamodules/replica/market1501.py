"""A replica of Market-1501: drawn people before six street cameras, in the files of the real dataset.

    bounding_box_train/  bounding_box_test/  query/       PPPP_cCsS_FFFFFF_BB.jpg, 128 x 64
    market-annotation-{train,test}.csv                    18 OpenPose joints per image of the two bounding_box folders
    market-pairs-{train,test}.csv                         ordered pairs of images of one person
    readme.txt
    truth/<folder>/<stem>.npz                             no real dataset has this, see `truth.Truth`

As in the real set, identities of train and test are disjoint and not contiguous, everyone is seen by two cameras or
more, and bounding_box_test also holds junk (`-1_...`), distractors (`0000_...`) and a Thumbs.db.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.bad_input import BadInput
from datamodules.replica.background import Street
from datamodules.replica.figure import Facing
from datamodules.replica.people import Drawing, Identity, Light, Pose, draw, framed
from datamodules.replica.truth import Truth, save

TRAIN, TEST, QUERY = "bounding_box_train", "bounding_box_test", "query"
CAMERAS = 6
TEST_PAIRS = 12000
_MISSING = (-1, -1)
_THUMBS = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2040)
"""The signature of a Windows thumbnail cache: a file among the images that is none."""
# First words of the seeds: what is drawn depends on who and where, never on how many or in which order.
_IDENTITY, _CAMERA, _IMAGE, _LISTS = 1, 2, 3, 4


@dataclass(frozen=True)
class Shot:
    """One picture to take."""

    folder: str
    name: str
    person: int
    camera: int
    facing: Facing
    number: int
    """Counts all pictures: seeds the chances of this one."""
    spoilt: bool = False
    """A bad box: junk or a distractor."""

    @property
    def key(self) -> str:
        """Path of the image relative to the dataset."""
        return f"{self.folder}/{self.name}"


def write(
    directory: Path,
    *,
    identities: int = 32,
    images_per_identity: int = 12,
    seed: int = 0,
    height: int = 128,
    width: int = 64,
    truth: bool = True,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Draw the dataset into an empty folder.

    identities: people in bounding_box_train; the test folders show half as many others, at least 4.
    images_per_identity: pictures of each person in a bounding_box folder, over 2 to 6 cameras.
    seed: everything drawn is a function of it; two replicas with the same settings are equal to the byte.
    height, width: of the pictures in pixels; the real set has 128 x 64.
    truth: also write truth/, the dense ground truth.
    workers: processes that draw; the result does not depend on it.
    advance: called with (pictures done, pictures in all).
    """
    if images_per_identity < 2:
        raise BadInput(f"images_per_identity={images_per_identity} is too few: everyone is seen by 2 cameras or more.")
    if not 1 <= identities <= 990:
        raise BadInput(
            f"identities={identities} must lie in 1 ... 990, since there are 1501 numbers for train and test."
        )
    for name in (TRAIN, TEST, QUERY):
        (directory / name).mkdir(parents=True)
        if truth:
            (directory / "truth" / name).mkdir(parents=True)
    shots = plan(identities, images_per_identity, seed)
    take = partial(_take, directory, seed, height, width, truth)
    keypoints: dict[str, NDArray[np.floating]] = {}
    for done, (shot, points) in enumerate(zip(shots, _spread(take, shots, workers), strict=True), start=1):
        keypoints[shot.key] = points
        advance(done, len(shots))
    _write_lists(directory, shots, keypoints, seed)
    (directory / TEST / "Thumbs.db").write_bytes(_THUMBS)
    (directory / "readme.txt").write_text(
        "A replica of Market-1501: the layout and file names of the real dataset, with procedurally drawn people.\n"
        "bounding_box_train, bounding_box_test and query hold the images; names are PPPP_cCsS_FFFFFF_BB.jpg: person,\n"
        "camera, sequence, frame, box. -1 are junk boxes and 0000 distractors. truth/ holds the dense ground truth.\n"
    )


def plan(identities: int, images_per_identity: int, seed: int) -> list[Shot]:
    """Every picture of the dataset: who, by which camera, facing where, under which name."""
    rng = np.random.default_rng([_LISTS, seed])
    others = max(4, identities // 2)
    numbers = 1 + rng.choice(1501, size=identities + others, replace=False)
    shots: list[Shot] = []
    names: set[tuple[str, str]] = set()

    def add(folder: str, person: int, camera: int, facing: Facing, label: str, box: int, spoilt: bool = False) -> None:
        while True:
            sequence, frame = int(rng.integers(1, 7)), 25 * int(rng.integers(0, 4000)) + 1
            name = f"{label}_c{camera}s{sequence}_{frame:06d}_{box:02d}.jpg"
            if (folder, name) not in names:
                break
        names.add((folder, name))
        shots.append(Shot(folder, name, person, camera, facing, len(shots), spoilt))

    for place, person in enumerate(numbers.tolist()):
        folder = TRAIN if place < identities else TEST
        cameras = 1 + rng.permutation(CAMERAS)[: int(rng.integers(2, CAMERAS + 1))]
        for index, facing in zip(range(images_per_identity), _facings(rng), strict=False):
            camera = int(cameras[index % len(cameras)])
            add(folder, person, camera, facing, f"{person:04d}", int(rng.integers(1, 6)))
        if folder == TEST:
            for camera, facing in zip(cameras.tolist(), _facings(rng), strict=False):
                add(QUERY, person, camera, facing, f"{person:04d}", 0)
    gallery = others * images_per_identity
    # The real gallery has 13,115 good boxes, 3,819 junk ones and 2,798 distractors.
    for label, count in (("-1", round(0.29 * gallery)), ("0000", round(0.21 * gallery))):
        for index, facing in zip(range(count), _facings(rng), strict=False):
            person = int(numbers[identities + index % others]) if label == "-1" else 2000 + index
            add(TEST, person, int(rng.integers(1, CAMERAS + 1)), facing, label, int(rng.integers(1, 6)), spoilt=True)
    return shots


def _facings(rng: np.random.Generator) -> Iterator[Facing]:
    """Directions without end: every four in a row are all different."""
    directions: list[Facing] = ["front", "back", "left", "right"]
    while True:
        yield from (directions[index] for index in rng.permutation(4))


def _spread(
    take: Callable[[Shot], NDArray[np.floating]], shots: list[Shot], workers: int
) -> Iterable[NDArray[np.floating]]:
    """The keypoints of all shots, in order, drawn by one or several processes."""
    if workers <= 1:
        yield from map(take, shots)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(take, shots, chunksize=8)


@lru_cache(maxsize=64)
def _person(seed: int, number: int) -> Identity:
    return Identity.sample(np.random.default_rng([_IDENTITY, seed, number]))


@dataclass(frozen=True)
class Camera:
    """One of the six: where it stands and how it sees."""

    street: Street
    azimuth: float
    pitch: float
    gain: NDArray[np.floating]
    softness: float
    noise: float


@lru_cache(maxsize=64)
def _camera(seed: int, number: int) -> Camera:
    rng = np.random.default_rng([_CAMERA, seed, number])
    return Camera(
        street=Street.sample(rng),
        azimuth=float(rng.choice([-1, 1]) * rng.uniform(0.4, 1.1)),
        pitch=float(rng.uniform(0.04, 0.2)),
        gain=rng.normal(1.0, 0.06) * rng.normal(1.0, 0.025, 3),
        # The sixth camera of the real set has a lower resolution than the others.
        softness=float(rng.uniform(0.25, 0.5) if number < CAMERAS else 0.75),
        noise=float(rng.uniform(0.8, 2.4)),
    )


def _take(directory: Path, seed: int, height: int, width: int, truth: bool, shot: Shot) -> NDArray[np.floating]:
    """Draw one picture and write its files; returns its keypoints."""
    rng = np.random.default_rng([_IMAGE, seed, shot.number])
    camera = _camera(seed, shot.camera)
    identity = _person(seed, shot.person)
    pose = Pose.sample(rng, shot.facing, spread=0.38)
    shift = (float(rng.normal(0, 0.03)), float(rng.normal(0, 0.012)))
    fill = float(rng.uniform(0.82, 0.95))
    if shot.spoilt:
        shift = (float(rng.choice([-1, 1]) * rng.uniform(0.15, 0.9)), float(rng.uniform(-0.5, 0.5)))
        fill = float(rng.uniform(0.5, 1.6))
    elif rng.random() < 0.1:
        fill, shift = fill * 1.15, (shift[0], float(rng.uniform(0.04, 0.11) * rng.choice([-0.4, 1.0])))
    light = Light(camera.azimuth + float(rng.normal(0, 0.15)), float(rng.uniform(0.55, 0.9)))
    view = framed(identity, pose, height, width, fill, shift, camera.pitch)
    drawing = draw(identity, pose, camera.street.draw(height, width, rng), view, light)
    image, background = _exposed(drawing, camera, rng)
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, 92]
    cv2.imwrite(str(directory / shot.key), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), jpeg)
    if truth:
        path = directory / "truth" / Path(shot.key).with_suffix(".npz")
        save(path, Truth(drawing.silhouette, background, drawing.part, drawing.uv))
    return drawing.keypoints


def _exposed(drawing: Drawing, camera: Camera, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The picture with and without the person as the camera records it: exposure, softness, and one and the same noise."""
    gain = (camera.gain * rng.normal(1.0, 0.05)).astype(np.float32)
    softness = camera.softness * drawing.image.shape[0] / 128
    noise = rng.normal(0, camera.noise, drawing.image.shape).astype(np.float32)
    image, background = (
        np.clip(cv2.GaussianBlur(plain.astype(np.float32) * gain, (0, 0), softness) + noise + 0.5, 0, 255).astype(
            np.uint8
        )
        for plain in (drawing.image, drawing.background)
    )
    return image, background


def _write_lists(directory: Path, shots: list[Shot], keypoints: dict[str, NDArray[np.floating]], seed: int) -> None:
    """The keypoint files and the pair files."""
    for side, folder in (("train", TRAIN), ("test", TEST)):
        rows = ["name:keypoints_y:keypoints_x"]
        people: dict[str, list[str]] = defaultdict(list)
        for shot in sorted((shot for shot in shots if shot.folder == folder), key=lambda shot: shot.name):
            found = [(round(y), round(x)) if visible else _MISSING for x, y, visible in keypoints[shot.key].tolist()]
            ys, xs = (list(column) for column in zip(*found, strict=True))
            rows.append(f"{shot.name}: {json.dumps(ys)}: {json.dumps(xs)}")
            if not shot.spoilt and all(found[joint] != _MISSING for joint in (2, 5, 8, 11)):
                people[shot.name.split("_")[0]].append(shot.name)
        pairs = [pair for names in people.values() for pair in itertools.permutations(names, 2)]
        if side == "test" and len(pairs) > TEST_PAIRS:
            chosen = np.random.default_rng([_LISTS, seed, TEST_PAIRS]).choice(len(pairs), TEST_PAIRS, replace=False)
            pairs = [pairs[index] for index in chosen]
        (directory / f"market-annotation-{side}.csv").write_text("\n".join(rows) + "\n")
        lines = ["from,to", *(f"{source},{target}" for source, target in pairs)]
        (directory / f"market-pairs-{side}.csv").write_text("\n".join(lines) + "\n")
