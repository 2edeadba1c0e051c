"""Is a copy of CelebAMask-HQ whole?"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.celeba_files import ANGLES, ATTRIBUTES, read_mapping, read_values
from datamodules.celebahq import FAULTY, CelebAHQ
from datamodules.check.looking import label_maps, odd_sizes, sizes
from datamodules.check.naming import listed, shared, unparsed
from datamodules.check.report import Report
from datamodules.exemplar_lists import ExemplarList
from datamodules.face_masks import ANNOTATION, MERGED, PART_FILE, PER_FOLDER, WITHOUT_GLASSES
from datamodules.reading import list_images
from datamodules.structures.face_parts import BIT, CLASSES

IMAGES, MASKS = 30_000, 372_767
SPLITS = {"train": 24_183, "val": 2_993, "test": 2_824}
LISTS = {"celebahq_ref.txt": SPLITS["train"], "celebahq_ref_test.txt": SPLITS["val"]}


def check(root: Path, report: Report) -> None:
    """See `datamodules.check`."""
    data = CelebAHQ(root=str(root), height=8, width=8, structure="image", pairing="self")
    folder, files = data.image_files()
    images = np.array(sorted(files), np.int64)
    what = f"images in {report.short(folder)}"
    report.count(what, len(images), IMAGES)
    names, others = list_images(folder, recursive=False)
    ignored = sorted([*others, *set(names).difference(files.values())])
    report.none_of(f"other files in {report.short(folder)}, which are ignored", ignored, "note")
    paths = [str(folder / files[image]) for image in images.tolist()]
    found = sizes(report, what, paths)
    odd_sizes(report, what, paths, found)
    if len(images) == IMAGES:
        known = [f"{files[image]}" for image in FAULTY if image in files]
        report.none_of("images that users reported as faulty (data.keep_faulty=false leaves them out)", known, "note")
    _masks(report, data.place(), images)
    _numbers(report, data, images)
    _splits(report, data, images)
    there = {str(image) for image in images.tolist()}
    for name, published in LISTS.items():
        path = data.text_file(name)
        if path is None:
            report.absent(name, "exemplars are the faces with the most similar parts")
            continue
        try:
            lines = ExemplarList.read(path).names
        except BadInput as error:
            unparsed(report, path, error)
            continue
        report.count(f"images in {report.short(path)}", len(lines), published)
        stems = (name.rsplit("/", 1)[-1].split(".")[0] for line in lines for name in line)
        listed(report, path, (str(int(stem)) if stem.isdigit() else stem for stem in stems), there)


def _masks(report: Report, place: Path, images: np.ndarray) -> None:
    """The files of parts, and maps that somebody merged."""
    merged = [place / name for name in (WITHOUT_GLASSES, *MERGED) if (place / name).is_dir()]
    parts: dict[int, set[str]] = {}
    paths: list[str] = []
    odd: list[str] = []
    misplaced: list[str] = []
    strangers: list[str] = []
    known = set(images.tolist())
    folder = place / ANNOTATION
    for inside in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not (inside.name.isdigit() and inside.is_dir()):
            continue
        with os.scandir(inside) as entries:
            for name in sorted(entry.name for entry in entries if not entry.name.startswith(".")):
                match = PART_FILE.fullmatch(name)
                shown = f"{inside.name}/{name}"
                if match is None or match[2].lower() not in BIT:
                    odd.append(shown)
                elif int(match[1]) // PER_FOLDER != int(inside.name):
                    misplaced.append(shown)
                else:
                    image = int(match[1])
                    parts.setdefault(image, set()).add(match[2].lower())
                    paths.append(str(inside / name))
                    if image not in known:
                        strangers.append(shown)
    if not paths and not merged:
        report.absent(ANNOTATION, "no label maps and no contours")
        return
    whole = any("skin" in found for found in parts.values())
    if whole or not merged:
        what = f"masks in {ANNOTATION}"
        report.count(what, len(paths), MASKS)
        report.none_of(f"other files in {ANNOTATION}, which are ignored", odd, "note")
        report.none_of(f"{what} in a folder other than id // {PER_FOLDER}", misplaced)
        report.none_of(f"{what} of images that are not there", strangers)
        without = [f"{image}.jpg" for image in images.tolist() if "skin" not in parts.get(image, set())]
        report.none_of("images without a mask of their skin", without)
        found = sizes(report, what, paths)
        _shapes(report, what, paths, found)
    for other in merged:
        maps = {name.rsplit(".", 1)[0]: name for name in list_images(other, "*.png", recursive=False)[0]}
        numbers = {int(stem) for stem in maps if stem.isdigit()}
        missing = [f"{image}.jpg" for image in images.tolist() if image not in numbers]
        report.none_of(f"images without a map in {report.short(other)}", missing)
        label_maps(report, f"maps in {report.short(other)}", [str(other / name) for name in maps.values()], CLASSES)


def _shapes(report: Report, what: str, paths: list[str], found: np.ndarray) -> None:
    """A row about masks of another shape than the first of their image: those cannot be merged."""
    first: dict[str, tuple[int, int]] = {}
    wrong = []
    for path, (height, width) in zip(paths, found.tolist(), strict=True):
        if height:
            h, w = first.setdefault(Path(path).name.split("_")[0], (height, width))
            if abs(height * w - width * h) > max(h, w):
                wrong.append(f"{report.short(path)} is {height} x {width}, another one of the image {h} x {w}")
    report.none_of(f"{what} of another shape than the others of their image", wrong)


def _numbers(report: Report, data: CelebAHQ, images: np.ndarray) -> None:
    """Attributes and head poses."""
    for name, columns, without in (
        ("CelebAMask-HQ-attribute-anno.txt", ATTRIBUTES, "no attributes as domains"),
        ("CelebAMask-HQ-pose-anno.txt", ANGLES, "no head poses as domains"),
    ):
        path = data.text_file(name)
        if path is None:
            report.absent(name, without)
            continue
        try:
            values = read_values(path, len(columns))
        except BadInput as error:
            unparsed(report, path, error)
            continue
        report.count(f"rows of {report.short(path)}", len(values.images), IMAGES)
        there = set(images.tolist())
        listed(report, path, (f"{image}.jpg" for image in values.images.tolist()), {f"{image}.jpg" for image in there})
        known = set(values.images.tolist())
        missing = [f"{image}.jpg" for image in images.tolist() if image not in known]
        report.none_of(f"images without a row in {report.short(path)}", missing)
        if columns is ATTRIBUTES:
            wrong, allowed = (np.abs(values.values) != 1).any(1), "-1 and 1"
        else:
            wrong, allowed = ~(np.abs(values.values) <= 180).all(1), "-180 to 180 degrees"
        rows = [f"{image}.jpg" for image in values.images[wrong].tolist()]
        report.none_of(f"rows of {report.short(path)} with values other than {allowed}", rows)


def _splits(report: Report, data: CelebAHQ, images: np.ndarray) -> None:
    """The standard split, by the mapping file and by CoCosNet's lists; who is in two of its parts."""
    mapping = data.text_file("CelebA-HQ-to-CelebA-mapping.txt")
    if mapping is None:
        report.absent("CelebA-HQ-to-CelebA-mapping.txt", "no standard split, unless there are train.txt and val.txt")
    else:
        try:
            original = read_mapping(mapping)
        except BadInput as error:
            unparsed(report, mapping, error)
            return
        report.count(f"rows of {report.short(mapping)}", len(original), IMAGES)
        listed(report, mapping, map(str, original), {str(image) for image in images.tolist()})
        missing = [f"{image}.jpg" for image in images.tolist() if image not in original]
        report.none_of(f"images without a row in {report.short(mapping)}", missing)
        names = Counter(original.values())
        again = [f"{name:06d}.jpg" for name, times in names.items() if times > 1]
        report.none_of(f"images of CelebA that {report.short(mapping)} names twice", again)
    kinds: tuple[Literal["celeba", "lists"], ...] = ("celeba", "lists")
    for kind in kinds:
        if (mapping if kind == "celeba" else data.text_file("val.txt")) is None:
            continue
        data.partition = kind
        try:
            splits: dict[str, np.ndarray] = {str(split): rows for split, rows in data.split_images(images).items()}
        except BadInput as error:
            report.none_of(f"faults of the split by {kind}", [str(error)])
            continue
        how = "the mapping file" if kind == "celeba" else "train.txt and val.txt"
        for split, published in SPLITS.items():
            report.count(f"{split} images by {how}", len(splits[split]), published)
        as_text: dict[str, list[str]] = {
            split: [f"{image}.jpg" for image in numbers.tolist()] for split, numbers in splits.items()
        }
        there = {f"{image}.jpg" for image in images.tolist()}
        if kind == "lists":
            for split, name in (("train", "train.txt"), ("val", "val.txt")):
                if (path := data.text_file(name)) is not None:
                    listed(report, path, as_text[split], there)
        shared(report, f"images in both train and val by {how}", as_text["train"], as_text["val"])
        _people(report, data, splits, how)


def _people(report: Report, data: CelebAHQ, splits: dict[str, np.ndarray], how: str) -> None:
    if data.text_file("identity_CelebA.txt") is None or data.text_file("CelebA-HQ-to-CelebA-mapping.txt") is None:
        return
    people = {
        split: {str(one) for one in data.identities(numbers).tolist() if one >= 0} for split, numbers in splits.items()
    }
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        shared(report, f"people in both {first} and {second} by {how}", people[first], people[second])
