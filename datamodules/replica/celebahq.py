"""A replica of CelebAMask-HQ: drawn faces with the masks of their parts, in the files of the real dataset.

    CelebA-HQ-img/<id>.jpg                                     size x size (1024 in the real set)
    CelebAMask-HQ-mask-anno/<id // 2000>/NNNNN_<part>.png      half as large, RGB of 0 and 255; none for an absent part
    CelebAMask-HQ-mask-anno/all_parts_except_glasses/NNNNN.png     CoCosNet's merged maps
    CelebA-HQ-to-CelebA-mapping.txt  CelebAMask-HQ-attribute-anno.txt  CelebAMask-HQ-pose-anno.txt  README.txt
    train.txt  val.txt  celebahq_ref.txt  celebahq_ref_test.txt    CoCosNet's lists
    list_eval_partition.txt  identity_CelebA.txt               CelebA's, for these images
    truth/CelebA-HQ-img/<id>.npz                               no real dataset has this, see `truth.Truth`
    truth/people.json                                          what each person's skin, hair, eyes and lips are like

As in the real set, nobody is in two of train, val and test, and the numbers of a person's pictures say nothing.
"""

from __future__ import annotations

import itertools
import json
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
from datamodules.celeba_files import ATTRIBUTES, LAST_TRAIN, LAST_VAL
from datamodules.replica.portrait import Portrait, draw
from datamodules.replica.portrait_traits import Look, Person, attributes
from datamodules.replica.truth import Truth, save
from datamodules.structures.face_parts import BIT, labels_of, stack_of

IMAGES, MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
MERGED = f"{MASKS}/all_parts_except_glasses"
LAST = 202_599
"""The number of images of CelebA."""
TRAIN_EXEMPLARS, TEST_EXEMPLARS = 10, 20
# First words of the seeds: what is drawn depends on who and which picture, never on how many or in which order.
_PERSON, _LOOK, _LISTS = 21, 22, 23


@dataclass(frozen=True)
class Shot:
    """One picture to draw."""

    image: int
    """The number that its file is named after."""
    person: int
    take: int
    """Counts the pictures of the person."""
    original: int
    """The number of its file in CelebA, which says to which split it belongs."""

    @property
    def split(self) -> int:
        """0 train, 1 val, 2 test."""
        return int(self.original > LAST_TRAIN) + int(self.original > LAST_VAL)


def write(
    directory: Path,
    *,
    identities: int = 16,
    images_per_identity: int = 6,
    seed: int = 0,
    size: int = 256,
    truth: bool = True,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Draw the dataset into an empty folder.

    identities: people, women and men by turns; about a tenth each are for validation and for test.
    images_per_identity: pictures of each person.
    seed: everything drawn is a function of it; two replicas with the same settings are equal to the byte.
    size: side of the pictures in pixels; masks are half as large. The real set has 1024.
    truth: also write truth/, the dense ground truth.
    workers: processes that draw; the result does not depend on it.
    advance: called with (pictures done, pictures in all).
    """
    if identities < 6 or images_per_identity < 2:
        raise BadInput(
            f"identities={identities} with images_per_identity={images_per_identity} is too few: three splits need two people "
            "each, of whom there are 2 pictures or more."
        )
    if identities * images_per_identity > 30_000:
        raise BadInput(f"{identities} x {images_per_identity} pictures are more than the 30,000 that the real set has.")
    if size < 32 or size % 2:
        raise BadInput(f"size={size} must be even and 32 or more, so that masks of half the size show a face.")
    shots = plan(identities, images_per_identity, seed)
    folders = [IMAGES, MERGED, *{f"{MASKS}/{shot.image // 2000}" for shot in shots}]
    for folder in [*folders, f"truth/{IMAGES}"] if truth else folders:
        (directory / folder).mkdir(parents=True)
    take = partial(_take, directory, seed, size, truth)
    for done, _ in enumerate(_spread(take, shots, workers), start=1):
        advance(done, len(shots))
    _write_lists(directory, shots, seed)
    _write_exemplars(directory, shots, seed)
    if truth:
        people = {str(1 + number): _described(_person(seed, number)) for number in range(identities)}
        (directory / "truth" / "people.json").write_text(json.dumps(people, indent=1) + "\n")


def plan(identities: int, images_per_identity: int, seed: int) -> list[Shot]:
    """Every picture, by its number: of whom, and which image of CelebA it stands for."""
    rng = np.random.default_rng([_LISTS, seed])
    # Women and men take turns, and a woman and a man go together: every split shows both.
    couples = rng.permutation(identities // 2)
    val, test = max(1, round(0.05 * identities)), max(1, round(0.047 * identities))
    split = np.zeros(identities, int)
    for place, couple in enumerate(couples[: val + test]):
        split[2 * couple : 2 * couple + 2] = 1 if place < val else 2
    images = rng.permutation(identities * images_per_identity).reshape(identities, images_per_identity)
    limits = (1, LAST_TRAIN + 1, LAST_VAL + 1, LAST + 1)
    shots = []
    originals = [iter(low + rng.permutation(high - low)) for low, high in itertools.pairwise(limits)]
    for person in range(identities):
        for take in range(images_per_identity):
            original = int(next(originals[split[person]]))
            shots.append(Shot(int(images[person, take]), person, take, original))
    return sorted(shots, key=lambda shot: shot.image)


def _spread(take: Callable[[Shot], None], shots: list[Shot], workers: int) -> Iterator[None]:
    if workers <= 1:
        yield from map(take, shots)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(take, shots, chunksize=8)


@lru_cache(maxsize=256)
def _person(seed: int, number: int) -> Person:
    return Person.sample(np.random.default_rng([_PERSON, seed, number]), male=number % 2 == 1)


def _look(seed: int, shot: Shot) -> Look:
    rng = np.random.default_rng([_LOOK, seed, shot.person, shot.take])
    # Everyone smiles on every second picture, so that each split shows smiles and serious faces.
    return Look.sample(rng, _person(seed, shot.person), smiles=(shot.person // 2 + shot.take) % 2 == 0)


def _take(directory: Path, seed: int, size: int, truth: bool, shot: Shot) -> None:
    """Draw one picture and write its files."""
    portrait = draw(_person(seed, shot.person), _look(seed, shot), size, truth)
    picture = cv2.cvtColor(portrait.image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(directory / IMAGES / f"{shot.image}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    stack = masks(portrait)
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    for part, bit in BIT.items():
        mask = (stack & bit) > 0
        if mask.any():
            path = directory / MASKS / str(shot.image // 2000) / f"{shot.image:05d}_{part}.png"
            cv2.imwrite(str(path), cv2.merge([mask.astype(np.uint8) * 255] * 3), fast)
    merged = labels_of(stack & ~BIT["eye_g"], "cocosnet")
    cv2.imwrite(str(directory / MERGED / f"{shot.image:05d}.png"), merged, fast)
    if truth:
        silhouette = (portrait.part > 0).astype(np.uint8)
        known = Truth(silhouette, portrait.background, portrait.part * portrait.face, portrait.uv)
        save(directory / "truth" / IMAGES / f"{shot.image}.npz", known)


def masks(portrait: Portrait) -> NDArray[np.int32]:
    """The dataset's masks of a portrait as a stack of half its size: skin goes on beneath features, glasses hide nothing."""
    stack = stack_of(portrait.part[::2, ::2], "official")
    return stack | portrait.glasses[::2, ::2] * np.int32(BIT["eye_g"])


def _write_lists(directory: Path, shots: list[Shot], seed: int) -> None:
    """The text files of CelebAMask-HQ, of CelebA and of CoCosNet's splits."""
    mapping = ["idx         orig_idx    orig_file"]
    traits = [str(len(shots)), " ".join(ATTRIBUTES)]
    poses = [str(len(shots)), "Yaw Pitch Raw"]
    for shot in shots:
        look = _look(seed, shot)
        mapping.append(f"{shot.image:<12}{shot.original - 1:<12}{shot.original:06d}.jpg")
        found = attributes(_person(seed, shot.person), look)
        values = "".join(f" {1 if found[name] else -1:>2}" for name in ATTRIBUTES)
        traits.append(f"{shot.image}.jpg {values}")
        poses.append(f"{shot.image}.jpg {look.yaw:.4f} {look.pitch:.4f} {look.roll:.4f}")
    by_original = sorted(shots, key=lambda shot: shot.original)
    texts = {
        "CelebA-HQ-to-CelebA-mapping.txt": mapping,
        "CelebAMask-HQ-attribute-anno.txt": traits,
        "CelebAMask-HQ-pose-anno.txt": poses,
        "list_eval_partition.txt": [f"{shot.original:06d}.jpg {shot.split}" for shot in by_original],
        "identity_CelebA.txt": [f"{shot.original:06d}.jpg {1 + shot.person}" for shot in by_original],
        "README.txt": [
            "A replica of CelebAMask-HQ: the layout and file names of the real dataset, with procedurally drawn faces.",
            "CelebA-HQ-img holds the images, CelebAMask-HQ-mask-anno a mask per part of each face; truth/ is the ground truth.",
        ],
    }
    for name, lines in texts.items():
        (directory / name).write_text("\n".join(lines) + "\n")
    for split, name in enumerate(("train.txt", "val.txt")):
        # As published, without an end of the last line.
        (directory / name).write_text("\n".join(str(shot.image) for shot in shots if shot.split == split))


def _write_exemplars(directory: Path, shots: list[Shot], seed: int) -> None:
    """For each image of train and val the training images of other people that are most like it."""
    features = np.array([_features(_person(seed, shot.person), _look(seed, shot)) for shot in shots])
    training = np.array([row for row, shot in enumerate(shots) if shot.split == 0])
    people = np.array([shot.person for shot in shots])
    for split, count, name in ((0, TRAIN_EXEMPLARS, "celebahq_ref.txt"), (1, TEST_EXEMPLARS, "celebahq_ref_test.txt")):
        lines = []
        for row, shot in enumerate(shots):
            if shot.split == split:
                others = training[people[training] != shot.person]
                order = np.argsort(np.abs(features[others] - features[row]).sum(1), kind="stable")[:count]
                lines.append(",".join(f"{shots[each].image}.jpg" for each in (row, *others[order])))
        (directory / name).write_text("".join(f"{line}\n" for line in lines))


def _features(person: Person, look: Look) -> list[float]:
    """What makes two pictures alike."""
    return [
        *(look.yaw / 12, look.pitch / 12, look.smile, float(person.male), person.length, float(person.bald)),
        *(float(look.hat != "none"), float(look.glasses > 0), *person.skin, *person.hair),
    ]


def _described(person: Person) -> dict[str, list[float] | float | str | bool]:
    """What a measure may ask for: colours in [0, 1]."""
    colours: Iterable[tuple[str, NDArray[np.floating]]] = (
        ("skin", person.skin), ("hair", person.hair), ("eyes", person.iris), ("lips", person.lips),
    )  # fmt: skip
    return {
        **{part: [round(float(value), 4) for value in colour] for part, colour in colours},
        "male": person.male,
        "age": round(person.age, 4),
        "hair_colour": person.hair_colour,
        "bald": person.bald,
        "beard": person.beard,
    }
