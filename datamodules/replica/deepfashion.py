"""A replica of DeepFashion In-shop: drawn models before a studio's background, in the files of the real dataset.

    img_highres/{WOMEN,MEN}/<Category>/id_XXXXXXXX/VV_K_view.jpg    1101 x 750 in the real set, here `height`
    img/...                                                         256 x 256 with white borders of 40 columns
    Anno/list_item_inshop.txt list_bbox_inshop.txt  Eval/list_eval_partition.txt
    train.lst test.lst fasion-resize-{pairs,annotation}-{train,test}.csv            PATN, GFLA
    train_pairs.txt test_pairs.txt pose/**/VV_K_view.txt                            NTED, PIDM
    train.txt val.txt deepfashion_ref.txt deepfashion_ref_test.txt
    deepfashion_self_pair.txt pose/**/VV_K_view_{candidate,subset}.txt              CoCosNet
    truth/{img_highres,img}/...npz                                  no real dataset has this, see `truth.Truth`

As in the real set, a person is an item in one variant: variants are the same model in the same cut and other cloth, and train
and test share no person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from datamodules.bad_input import BadInput
from datamodules.replica.background import Studio
from datamodules.replica.fabric import Fabric
from datamodules.replica.fashion_lists import BORDER, Listed, write_lists
from datamodules.replica.figure import Facing
from datamodules.replica.people import Drawing, Identity, Light, Pose, View, draw, framed
from datamodules.replica.truth import Truth, save

HIGH, LOW = "img_highres", "img"
FRAME = 256
"""The small pictures' side."""
# First words of the seeds: what is drawn depends on who, never on how many or in which order.
_ITEM, _VARIANT, _IMAGE, _LISTS = 11, 12, 13, 14


@dataclass(frozen=True)
class Shot:
    """One photograph to take."""

    path: str
    """Inside img or img_highres."""
    item: int
    variant: int
    view: str
    number: int
    """Counts the photographs of a person: seeds the chances of this one."""


def write(
    directory: Path,
    *,
    identities: int = 16,
    seed: int = 0,
    height: int = 256,
    truth: bool = True,
    workers: int = 1,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Draw the dataset into an empty folder.

    identities: people of the training side; the test side has a quarter as many others, at least 4.
    seed: everything drawn is a function of it; two replicas with the same settings are equal to the byte.
    height: of the pictures in img_highres in pixels; the real set has 1101. Those in img have 256.
    truth: also write truth/, the dense ground truth.
    workers: processes that draw; the result does not depend on it.
    advance: called with (pictures done, pictures in all).
    """
    if not 1 <= identities <= 10_000:
        raise BadInput(f"identities={identities} must lie in 1 ... 10000.")
    if height < 64:
        raise BadInput(f"height={height} is too small for a photograph: give 64 or more.")
    shots, training = plan(identities, seed)
    take = partial(_take, directory, seed, height, truth)
    listed = []
    for folder in sorted({str(Path(shot.path).parent) for shot in shots}):
        for top in (HIGH, LOW, *((f"truth/{HIGH}", f"truth/{LOW}") if truth else ())):
            (directory / top / folder).mkdir(parents=True, exist_ok=True)
    for done, (shot, points) in enumerate(zip(shots, _spread(take, shots, workers), strict=True), start=1):
        person = f"{Path(shot.path).parent}/{shot.variant:02d}"
        listed.append(Listed(f"{LOW}/{shot.path}", person, person in training, points))
        advance(done, len(shots))
    write_lists(directory, listed)


def plan(identities: int, seed: int) -> tuple[list[Shot], set[str]]:
    """Every photograph of the dataset in the order of its path, and the people of the training side."""
    rng = np.random.default_rng([_LISTS, seed])
    wanted = identities + max(4, identities // 4)
    shots: list[Shot] = []
    people: list[str] = []
    for item in (1 + rng.choice(8000, size=wanted, replace=False)).tolist():
        folder = f"{_shelf(_item(seed, item))}/id_{item:08d}"
        for variant in range(1, 1 + int(rng.choice(3, p=[0.55, 0.3, 0.15]) + 1)):
            if len(people) == wanted:
                break
            people.append(f"{folder}/{variant:02d}")
            views = ["1_front", "2_side", "3_back", "4_full", "7_additional"]
            leave = () if rng.random() < 0.5 else (views[int(rng.integers(1, 5))],)
            for number, view in enumerate(view for view in views if view not in leave):
                shots.append(Shot(f"{folder}/{variant:02d}_{view}.jpg", item, variant, view, number))
    training = {people[index] for index in rng.permutation(wanted)[:identities].tolist()}
    return sorted(shots, key=lambda shot: shot.path), training


def _spread(
    take: Callable[[Shot], NDArray[np.floating]], shots: list[Shot], workers: int
) -> Iterator[NDArray[np.floating]]:
    """The joints of all shots, in order, drawn by one or several processes."""
    if workers <= 1:
        yield from map(take, shots)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(take, shots, chunksize=8)


@lru_cache(maxsize=256)
def _item(seed: int, item: int) -> Identity:
    """The model of an item in its first variant. Nobody carries a bag: it would hide what is sold."""
    rng = np.random.default_rng([_ITEM, seed, item])
    identity = Identity.sample(rng)
    outfit = identity.outfit
    fabric = _finer(outfit.top.fabric, rng)
    sleeves = fabric if outfit.top.sleeve_fabric is outfit.top.fabric else _finer(outfit.top.sleeve_fabric, rng)
    cloth = fabric if outfit.bottom == "dress" else _finer(outfit.cloth, rng)
    top = replace(outfit.top, fabric=fabric, sleeve_fabric=sleeves)
    return replace(identity, outfit=replace(outfit, bag="none", top=top, cloth=cloth))


def _finer(fabric: Fabric, rng: np.random.Generator) -> Fabric:
    """Cloth for close looks: denser stripes, checks and dots, and small folds between the large ones."""
    small = np.stack(
        [rng.uniform(0.2, 1.0, 8) * 0.022, rng.normal(0, 55, 8), rng.normal(0, 70, 8), rng.uniform(0, 2 * np.pi, 8)],
        axis=1,
    )
    return replace(
        fabric, period=fabric.period * float(rng.uniform(0.3, 0.8)), waves=np.concatenate([fabric.waves, small])
    )


@lru_cache(maxsize=64)
def _person(seed: int, item: int, variant: int) -> Identity:
    """The same model in the same cut; further variants are of other cloth."""
    identity = _item(seed, item)
    if variant == 1:
        return identity
    rng = np.random.default_rng([_VARIANT, seed, item, variant])
    outfit = identity.outfit
    fabric = _finer(Fabric.sample(rng), rng)
    sleeves = fabric if outfit.top.sleeve_fabric is outfit.top.fabric else outfit.top.sleeve_fabric
    changed = replace(outfit, top=replace(outfit.top, fabric=fabric, sleeve_fabric=sleeves))
    if outfit.bottom == "dress":
        changed = replace(changed, cloth=fabric)
    return replace(identity, outfit=changed)


def _shelf(identity: Identity) -> str:
    """Where a shop would put what the model wears: gender and category."""
    outfit, women = identity.outfit, identity.build.curves > 0.5
    if outfit.bottom in ("dress", "skirt"):
        return "WOMEN/Dresses" if outfit.bottom == "dress" else "WOMEN/Skirts"
    if outfit.top.zipped or outfit.top.opening > 0:
        return "WOMEN/Jackets_Coats" if women else "MEN/Jackets_Vests"
    if outfit.top.neckline == "hood":
        return f"{'WOMEN' if women else 'MEN'}/Sweatshirts_Hoodies"
    if outfit.top.sleeve > 1:
        return f"{'WOMEN' if women else 'MEN'}/Sweaters"
    if outfit.top.neckline == "collar":
        return "WOMEN/Blouses_Shirts" if women else "MEN/Shirts_Polos"
    if outfit.bottom == "shorts" and outfit.leg < 0.7:
        return f"{'WOMEN' if women else 'MEN'}/Shorts"
    return f"{'WOMEN' if women else 'MEN'}/Tees_Tanks"


def _take(directory: Path, seed: int, height: int, truth: bool, shot: Shot) -> NDArray[np.floating]:
    """Photograph and write both sizes; returns the joints (18, 3) in the small picture between its borders."""
    rng = np.random.default_rng([_IMAGE, seed, shot.item, shot.variant, shot.number])
    width = round(height * 750 / 1101)
    identity = _person(seed, shot.item, shot.variant)
    pose, view = _posed(identity, shot.view, height, width, rng)
    # A studio's light is soft and from above; the backdrop hardly takes a shadow.
    light = Light(float(rng.normal(0, 0.5)), float(rng.uniform(0.7, 1.0)), ambient=0.72, shadow=0.12)
    studio = Studio(float(rng.choice([0.97, 0.93, 0.88], p=[0.6, 0.25, 0.15])))
    drawing = draw(identity, pose, studio.draw(height, width, rng), view, light, samples=3)
    noise = rng.normal(0, 0.8, drawing.image.shape)
    high = Truth(drawing.silhouette, _noisy(drawing.background, noise), drawing.part, drawing.uv)
    _store(directory, HIGH, shot, _noisy(drawing.image, noise), high, truth, 92)
    small, points = _small(drawing)
    low = Truth(small.silhouette, small.background, small.part, small.uv)
    _store(directory, LOW, shot, small.image, low, truth, 90)
    return points


def _posed(identity: Identity, view: str, height: int, width: int, rng: np.random.Generator) -> tuple[Pose, View]:
    """How the model stands, and how much of her is seen."""
    facing: Facing = {"2_side": ("left", "right")[int(rng.integers(2))], "3_back": "back"}.get(view, "front")
    if view == "7_additional":
        facing = ("front", "left", "right", "back")[int(rng.choice(4, p=[0.55, 0.15, 0.15, 0.15]))]
    pose = Pose.sample(rng, facing, spread=0.45 if view == "7_additional" else 0.16)
    whole = view == "4_full" or identity.outfit.bottom == "dress"
    fill = float(rng.uniform(0.86, 0.93))
    if not whole:
        fill *= float(rng.uniform(1.7, 1.95) if view == "7_additional" else rng.uniform(1.25, 1.45))
    # Closer pictures begin above the head and end where they end.
    centred = framed(identity, pose, height, 10 * width if not whole else width, fill, (0.0, 0.0), pitch=0.04)
    down = max(0.0, (fill - 0.93) / 2)
    x = centred.origin[0] - (10 * width - 1) / 2 + (width - 1) / 2 if not whole else centred.origin[0]
    return pose, replace(centred, origin=(x + float(rng.normal(0, 0.015)) * width, centred.origin[1] + down * height))


def _noisy(picture: NDArray[np.uint8], noise: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(picture + noise + 0.5, 0, 255).astype(np.uint8)


def _small(drawing: Drawing) -> tuple[Drawing, NDArray[np.floating]]:
    """The picture as img has it: 256 x 256 with white borders; and the joints between the borders."""
    width = FRAME - 2 * BORDER
    height, stored = drawing.part.shape
    sides = ((0, 0), (BORDER, BORDER))

    def reduced(values: NDArray, how: int, beyond: int) -> NDArray:
        inside = cv2.resize(values, (width, FRAME), interpolation=how)
        return np.pad(inside, (*sides, *((0, 0),) * (inside.ndim - 2)), constant_values=beyond)

    picture = cv2.INTER_AREA if height >= FRAME else cv2.INTER_CUBIC
    points = drawing.keypoints * (width / stored, FRAME / height, 1)
    small = Drawing(
        image=reduced(drawing.image, picture, 255),
        background=reduced(drawing.background, picture, 255),
        silhouette=reduced(drawing.silhouette, cv2.INTER_NEAREST_EXACT, 0),
        part=reduced(drawing.part, cv2.INTER_NEAREST_EXACT, 0),
        uv=reduced(drawing.uv.astype(np.float32), cv2.INTER_NEAREST_EXACT, 0).astype(np.float16),
        keypoints=points,
    )
    return small, points


def _store(
    directory: Path, top: str, shot: Shot, image: NDArray[np.uint8], known: Truth, truth: bool, quality: int
) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(directory / top / shot.path), bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if truth:
        save((directory / "truth" / top / shot.path).with_suffix(".npz"), known)
