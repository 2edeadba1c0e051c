"""Is a copy of DeepFashion In-shop whole?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datamodules.bad_input import BadInput
from datamodules.check.looking import odd_sizes, sizes
from datamodules.check.naming import keypoints, shared, twice, unparsed
from datamodules.check.report import Report
from datamodules.deepfashion_files import FLAT, Catalogue, Copy, Folder, in_order, official_partition
from datamodules.deepfashion_names import same
from datamodules.deepfashion_poses import BORDER, ENDINGS, HEIGHT, WIDTH, csv_names, has_borders
from datamodules.exemplar_lists import ExemplarList
from datamodules.structures.keypoint_files import read_pose
from datamodules.target_lists import read_lines

IMAGES = 52_712
LISTED = {"train.lst": 48_674, "test.lst": 4_038}
PAIRS = {"train": 101_966, "test": 8_570}
WITHOUT = {"train.lst": "another partition is used", "test.lst": "another partition is used"}


def check(root: Path, report: Report) -> None:
    """See `datamodules.check`."""
    copy = Copy(root, None)
    kinds: tuple[Folder, ...] = ("img_highres", "img", "flat")
    found = [catalogue for kind in kinds if (catalogue := _catalogue(copy, kind)) is not None]
    if not found:
        copy.catalogue(None)  # says what is missing
    for catalogue in found:
        _images(report, catalogue)
    there = {key for catalogue in found for key in catalogue.keys}
    people: dict[str, set[str]] = {}
    for name, published in LISTED.items():
        path = copy.find(name)
        if path is None:
            report.absent(name, WITHOUT[name])
            continue
        names = in_order(path)
        report.count(f"images in {report.short(path)}", len(names), published)
        _listed(report, path, names, there)
        people[name] = _people(names)
    if len(people) == len(LISTED):
        shared(report, "people in both train.lst and test.lst", people["train.lst"], people["test.lst"])
    for side in ("train", "test"):
        _csv_pairs(report, copy, side, there)
        _annotation(report, copy, side, there)
    _other_lists(report, copy, there)
    _pose_files(report, copy, found[0])


def _catalogue(copy: Copy, kind: Folder) -> Catalogue | None:
    try:
        return copy.catalogue(kind)
    except BadInput:
        if not copy.root.is_dir():
            raise
        return None


def _images(report: Report, catalogue: Catalogue) -> None:
    folder = (
        f"{'|'.join(FLAT['train'])} and {'|'.join(FLAT['test'])}" if catalogue.flat else report.short(catalogue.folder)
    )
    what = f"images in {folder}"
    report.count(what, len(catalogue.files), IMAGES)
    paths = [str(catalogue.root / file) for file in catalogue.files]
    odd_sizes(report, what, paths, sizes(report, what, paths))


def _listed(report: Report, path: Path, names: Iterable[str], there: set[str]) -> None:
    """See `naming.listed`, for names in any spelling."""
    spelt = list(dict.fromkeys(names))
    report.none_of(
        f"files that {report.short(path)} names and that are not there",
        [name for name in spelt if same(name) not in there],
    )


def _people(names: Iterable[str]) -> set[str]:
    """Gender, category, item and variant of names in any spelling."""
    return {" ".join(key.split(" ")[:4]) for name in names if (key := same(name)) is not None}


def _strangers(report: Report, path: Path, lines: list[list[str]]) -> None:
    wrong = [",".join(line[:2]) for line in lines if len(_people(line)) > 1]
    report.none_of(f"pairs in {report.short(path)} of two different people", wrong)


def _csv_pairs(report: Report, copy: Copy, side: str, there: set[str]) -> None:
    names = [name.replace("annotation", "pairs") for name in csv_names(side)]
    path = next((found for name in names if (found := copy.find(name))), None)
    if path is None:
        report.absent(names[0], "pairs are those of another list, or of a rule")
        return
    try:
        lines = read_lines(path, 2)
    except BadInput as error:
        unparsed(report, path, error)
        return
    lines = lines[1:] if lines and {name.lower() for name in lines[0]} == {"from", "to"} else lines
    report.count(f"pairs in {report.short(path)}", len(lines), PAIRS[side])
    _listed(report, path, (name for line in lines for name in line), there)
    _strangers(report, path, lines)


def _annotation(report: Report, copy: Copy, side: str, there: set[str]) -> None:
    path = next((there_is for name in csv_names(side) if (there_is := copy.find(name))), None)
    if path is None:
        report.absent(csv_names(side)[0], "poses are those of the folder pose/, where it is there")
        return
    found = keypoints(report, path)
    if found is None:
        return
    names, points = found
    _listed(report, path, names, there)
    twice(report, path, names)
    lst = copy.find(f"{side}.lst")
    if lst is not None:
        known = {same(name) for name in names}
        missing = [name for name in in_order(lst) if same(name) not in known]
        report.none_of(f"images of {report.short(lst)} without a row in {report.short(path)}", missing)
    width = WIDTH + 2 * BORDER if has_borders(points) else WIDTH
    present = points[..., 2] > 0
    outside = present & ((points[..., 0] >= width) | (points[..., 1] >= HEIGHT))
    wrong = [f"{names[row]}: joint {int(outside[row].argmax())}" for row in np.flatnonzero(outside.any(1)).tolist()]
    report.none_of(f"rows of {report.short(path)} with joints outside {HEIGHT} x {width}", wrong)
    nobody = [names[row] for row in np.flatnonzero(~present.any(1)).tolist()]
    report.none_of(f"rows of {report.short(path)} without a joint", nobody, "note")


def _other_lists(report: Report, copy: Copy, there: set[str]) -> None:
    """The lists of NTED, PIDM and CoCosNet, and the benchmark's own partition, where they are there."""
    people: dict[str, set[str]] = {}
    for name in ("train_pairs.txt", "test_pairs.txt", "deepfashion_self_pair.txt"):
        if (path := copy.find(name)) is not None:
            lines = read_lines(path)
            people[name] = {person for line in lines for person in _people(line)}
            _listed(report, path, (one for line in lines for one in line), there)
            _strangers(report, path, lines)
    for name in ("train.txt", "val.txt"):
        if (path := copy.find(name)) is not None:
            names = in_order(path)
            people[name] = _people(names)
            _listed(report, path, names, there)
    if "train_pairs.txt" in people and "test_pairs.txt" in people:
        what = "people in both train_pairs.txt and test_pairs.txt"
        shared(report, what, people["train_pairs.txt"], people["test_pairs.txt"])
    if "train.txt" in people and "val.txt" in people:
        # CoCosNet's own lists were not made by people.
        shared(report, "people in both train.txt and val.txt", people["train.txt"], people["val.txt"], "note")
    for name in ("deepfashion_ref.txt", "deepfashion_ref_test.txt"):
        if (path := copy.find(name)) is not None:
            try:
                lines = ExemplarList.read(path).names
            except BadInput as error:
                unparsed(report, path, error)
                continue
            _listed(report, path, (one for line in lines for one in line), there)
    if (path := copy.find("list_eval_partition.txt")) is not None:
        try:
            sides = official_partition(path)
        except BadInput as error:
            unparsed(report, path, error)
            return
        report.count(f"images in {report.short(path)}", len(sides["train"]) + len(sides["test"]), IMAGES)
        _listed(report, path, [*sides["train"], *sides["test"]], there)


def _pose_files(report: Report, copy: Copy, catalogue: Catalogue) -> None:
    """The folder pose/ of NTED, PIDM or CoCosNet: which of its files are missing, cannot be read, or lie outside."""
    for place in copy.places():
        folder = place / "pose"
        if not folder.is_dir() or catalogue.flat:
            continue
        inside = [Path(catalogue.root, file).relative_to(catalogue.folder) for file in catalogue.files]
        for source, ending in ENDINGS.items():
            paths = [(folder / file).with_suffix("").with_name(file.stem + ending) for file in inside]
            there: list[Path] = []
            missing: list[Path] = []
            for path in paths:
                (there if path.is_file() else missing).append(path)
            if not there:
                continue
            what = f"poses of {report.short(folder)} ({source})"
            report.none_of(f"images without one of the {what}", [report.short(path) for path in missing])
            broken, outside = [], []
            for number, path in enumerate(there, start=1):
                try:
                    points = read_pose(path).keypoints
                except BadInput as error:
                    broken.append(str(error))
                    continue
                # OpenPose's dumps of CoCosNet v2 refer to 1024 x 1024.
                limit = 4 * HEIGHT if source == "openpose" else HEIGHT
                if (points[points[:, 2] > 0, :2] >= limit).any():
                    outside.append(report.short(path))
                if number % 500 == 0 or number == len(there):
                    report.advance(what, number, len(there))
            report.none_of(f"{what} that cannot be read", broken)
            report.none_of(f"{what} with joints outside the picture", outside)
