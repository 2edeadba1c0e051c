"""A replica of ADE20k (ADEChallengeData2016): drawn rooms and places outdoors, in the files of the real dataset.

    images/{training,validation}/ADE_{train,val}_NNNNNNNN.jpg         of many sizes and shapes, a few of them grey
    annotations/{training,validation}/ADE_{train,val}_NNNNNNNN.png    0 unlabelled, 1 ... 150
    objectInfo150.txt    sceneCategories.txt
    ade20k_ref.txt  ade20k_ref_test.txt                               CoCosNet's lists: exemplars of every image

As in the real set, images are numbered in the order of their scenes, and exemplars are training images. Colours,
materials and light are drawn apart from the layout: a label map does not determine its photograph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.ade_classes import CLASSES, NAMES
from datamodules.bad_input import BadInput
from datamodules.replica.scene_canvas import Canvas, Mood
from datamodules.replica.scene_outdoors import OUTDOORS
from datamodules.replica.scene_rooms import ROOMS

SCENES = {**ROOMS, **OUTDOORS}
FOLDERS = {"training": "ADE_train", "validation": "ADE_val"}
LISTED = 20
"""How many exemplars the published lists name of each image."""
SMALLEST = 48
# First words of the seeds.
_SPLITS = {"training": 1, "validation": 2}
_SHAPES = ((3, 4), (2, 3), (9, 16), (4, 3), (1, 1))
"""Height to width: landscape, portrait, square."""


@dataclass(frozen=True)
class Photo:
    """One picture to take."""

    folder: str
    number: int
    scene: str
    category: str
    """What sceneCategories.txt says: the scene, or misc."""

    @property
    def stem(self) -> str:
        """The name of its files without extension."""
        return f"{FOLDERS[self.folder]}_{self.number:08d}"


def write(
    directory: Path,
    *,
    images: int = 280,
    validation: int = 56,
    size: int = 128,
    seed: int = 0,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the dataset into an empty folder.

    Args:
        images: for training; the real set has 20,210
        validation: for validation; the real set has 2,000
        size: the shorter side of most pictures, in pixels; the real set has 512
        seed: another seed, other places
        workers: processes that draw; the result does not depend on it
        advance: called with (pictures done, pictures in all).

    Raises:
        BadInput: too few or too small pictures.
    """
    for name, value, least in (("images", images, 2), ("validation", validation, 1), ("size", size, SMALLEST)):
        if value < least:
            raise BadInput(f"a replica of ade20k needs {name}={least} or more, not {value}")
    photos = [*_planned("training", images, seed), *_planned("validation", validation, seed)]
    for folder in FOLDERS:
        for kind in ("images", "annotations"):
            (directory / kind / folder).mkdir(parents=True, exist_ok=True)
    shares = np.zeros((len(photos), CLASSES + 1), np.float32)
    for done, share in enumerate(_spread(partial(_take, directory, seed, size), photos, workers)):
        shares[done] = share
        advance(done + 1, len(photos))
    lines = [f"{photo.stem} {photo.category}" for photo in photos]
    (directory / "sceneCategories.txt").write_text("\n".join(lines) + "\n")
    (directory / "objectInfo150.txt").write_text(_object_info(shares, images))
    names = np.array([f"{photo.stem}.jpg" for photo in photos])
    for file, part in (("ade20k_ref.txt", slice(0, images)), ("ade20k_ref_test.txt", slice(images, None))):
        (directory / file).write_text(_reference_list(shares[part], names[part], shares[:images], names[:images]))


def _planned(folder: str, count: int, seed: int) -> list[Photo]:
    """As many photos of every scene as of any other, give or take one; some of no category."""
    scenes = sorted(np.resize(np.random.default_rng([_SPLITS[folder], seed]).permutation(list(SCENES)), count).tolist())
    photos = []
    for number, scene in enumerate(scenes, start=1):
        # Never the first of a scene, so that every category is there.
        nameless = number % 25 == 7 and scene == scenes[number - 2]
        photos.append(Photo(folder, number, scene, "misc" if nameless else scene))
    return photos


def _spread(
    take: Callable[[Photo], NDArray[np.float32]], photos: list[Photo], workers: int
) -> Iterable[NDArray[np.float32]]:
    """The shares of the classes of all photos, in order, drawn by one or several processes."""
    if workers <= 1:
        yield from map(take, photos)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(take, photos, chunksize=8)


def _take(directory: Path, seed: int, size: int, photo: Photo) -> NDArray[np.float32]:
    """Draw one picture and write its files; returns which share of it each class has."""
    rng = np.random.default_rng([_SPLITS[photo.folder], seed, photo.number])
    picture, labels = drawn(photo.scene, *_shape(rng, size), rng)
    path = directory / "images" / photo.folder / f"{photo.stem}.jpg"
    shown = picture[..., ::-1] if rng.random() > 0.02 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    cv2.imwrite(str(path), shown, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(84, 96))])
    cv2.imwrite(str(directory / "annotations" / photo.folder / f"{photo.stem}.png"), labels)
    return (np.bincount(labels.ravel(), minlength=CLASSES + 1) / labels.size).astype(np.float32)


def drawn(scene: str, height: int, width: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A photograph (height, width, 3) and its label map (height, width) of a scene of `SCENES`."""
    mood = Mood.sample(rng)
    if scene in ROOMS:
        eye, zoom, horizon = rng.uniform(1.35, 1.7), rng.uniform(0.72, 0.95), rng.uniform(0.36, 0.5)
        mood = mood.under_a_roof(rng)
    else:
        eye, zoom, horizon = rng.uniform(1.5, 1.9), rng.uniform(0.8, 1.2), rng.uniform(0.4, 0.6)
    canvas = Canvas(height, width, mood, rng, eye=eye, zoom=zoom, horizon=horizon)
    SCENES[scene](canvas)
    _unlabelled(canvas)
    return canvas.developed(), canvas.labels


def _unlabelled(canvas: Canvas) -> None:
    """Nobody labels everything: a small thing, a sliver at the edge."""
    rng = canvas.rng
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0.4, 0.95) * canvas.height
        size = canvas.height * rng.uniform(0.008, 0.03)
        canvas.ellipse(x, y, size, size * rng.uniform(0.5, 1.5), 0, rng.uniform(0.1, 0.9, 3).astype(np.float32))
    if rng.random() < 0.3:
        canvas.labels[-max(1, canvas.height // 60) :] = 0


def _shape(rng: np.random.Generator, size: int) -> tuple[int, int]:
    """Height and width: most have the shorter side `size`, some are smaller."""
    down, across = _SHAPES[int(rng.choice(5, p=[0.52, 0.17, 0.06, 0.15, 0.1]))]
    scale = size / min(down, across) * (rng.uniform(0.5, 0.8) if rng.random() < 0.12 else 1.0)
    # Photographs are cut: their sides are seldom a round fraction of each other.
    longer = rng.uniform(0.97, 1.03) if down != across else 1.0
    height, width = down * scale * (longer if down > across else 1), across * scale * (longer if across > down else 1)
    return round(height), round(width)


def _object_info(shares: NDArray[np.float32], images: int) -> str:
    """The statistics of the classes: share of all pixels, images of each split that show it, name."""
    there = shares > 0
    rows = ["Idx\tRatio\tTrain\tVal\tName"]
    for number in range(1, CLASSES + 1):
        train, val = int(there[:images, number].sum()), int(there[images:, number].sum())
        rows.append(f"{number}\t{shares[:, number].mean():.4f}\t{train}\t{val}\t{NAMES[number]}")
    return "\n".join(rows) + "\n"


def _reference_list(
    shares: NDArray[np.float32], names: NDArray[np.str_], pool: NDArray[np.float32], pool_names: NDArray[np.str_]
) -> str:
    """A line per image: its name, then the training images with the most similar shares of classes, best first."""
    lines = []
    for share, name in zip(shares, names, strict=True):
        order = np.argsort(((pool - share) ** 2).sum(1), kind="stable")
        others = pool_names[order][pool_names[order] != name][:LISTED]
        lines.append(",".join([name, *others]))
    return "\n".join(lines) + "\n"
