"""Is a copy of Market-1501 whole?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datamodules.check.looking import odd_sizes, sizes
from datamodules.check.naming import keypoints, listed, shared, twice
from datamodules.check.report import Report
from datamodules.market1501 import FOLDERS, NAME, Market1501
from datamodules.reading import list_images
from datamodules.text_file import read_text

IMAGES = {"train": 12_936, "test": 19_732, "query": 3_368}
PEOPLE = {"train": 751, "test": 750, "query": 750}
JUNK, DISTRACTORS = 3_819, 2_798
PAIRS = {"train": 263_632, "test": 12_000}


def check(root: Path, report: Report) -> None:
    """See `datamodules.check`."""
    data = Market1501(root=str(root), height=128, width=64, structure="edges", pairing="self")
    people: dict[str, set[str]] = {}
    stored: dict[str, dict[str, tuple[int, int]]] = {}
    for side in FOLDERS:
        folder = data.image_folder(side)
        stored[side] = _folder(report, folder, side, people)
    query = data.image_folder("train").parent / "query"
    if query.is_dir():
        _folder(report, query, "query", people)
        gone = sorted(people["query"] - people["test"])
        report.none_of("people in query who are not in the test folder", gone)
    else:
        report.absent("query", "needed for re-identification alone")
    shared(report, "people in both train and test", people["train"], people["test"])
    for side in FOLDERS:
        _annotation(report, data.list_file(f"market-annotation-{side}.csv"), side, stored[side])
        _pairs(report, data.list_file(f"market-pairs-{side}.csv"), side, stored[side])


def _folder(report: Report, folder: Path, side: str, people: dict[str, set[str]]) -> dict[str, tuple[int, int]]:
    """Check the images of a folder; name -> height and width."""
    what = f"images in {report.short(folder)}"
    names, others = list_images(folder, recursive=False)
    report.count(what, len(names), IMAGES[side])
    report.none_of(f"other files in {report.short(folder)}, which are ignored", others, "note")
    parsed = {name: match for name in names if (match := NAME.match(name))}
    report.none_of(f"{what} not named like 0002_c1s1_000451_03.jpg", [name for name in names if name not in parsed])
    people[side] = {match[1] for match in parsed.values() if int(match[1]) > 0}
    report.count(f"people in {report.short(folder)}", len(people[side]), PEOPLE[side])
    if side == "test":
        kinds = [int(match[1]) for match in parsed.values()]
        report.count(f"junk (-1) in {report.short(folder)}", kinds.count(-1), JUNK)
        report.count(f"distractors (0000) in {report.short(folder)}", kinds.count(0), DISTRACTORS)
    cameras = [name for name, match in parsed.items() if not 1 <= int(match[2]) <= 6]
    report.none_of(f"{what} of a camera other than 1 to 6", cameras)
    paths = [str(folder / name) for name in names]
    found = sizes(report, what, paths)
    odd_sizes(report, what, paths, found)
    # Some copies have their extensions in capitals, and no list has.
    return {name.lower(): (int(size[0]), int(size[1])) for name, size in zip(names, found, strict=True)}


def _annotation(report: Report, path: Path | None, side: str, stored: dict[str, tuple[int, int]]) -> None:
    if path is None:
        report.absent(f"market-annotation-{side}.csv", "no poses")
        return
    found = keypoints(report, path)
    if found is None:
        return
    names, points = found
    names = [name.lower() for name in names]
    listed(report, path, names, stored)
    twice(report, path, names)
    # Junk and distractors are in no pair: the published file leaves them out or not.
    wanted = [name for name in stored if (match := NAME.match(name)) and int(match[1]) > 0]
    known = set(names)
    without = [name for name in wanted if name not in known]
    report.none_of(f"people's images without a row in {report.short(path)}", without)
    size = np.array([stored.get(name, (0, 0)) for name in names], np.float32).reshape(-1, 2)
    outside(report, path, names, points, size)
    nobody = [name for name, one in zip(names, points, strict=True) if not (one[:, 2] > 0).any()]
    report.none_of(f"rows of {report.short(path)} without a joint", nobody, "note")


def outside(report: Report, path: Path, names: list[str], points: np.ndarray, size: np.ndarray) -> None:
    """A row about joints that lie outside of their picture of (N, 2) height and width; zeros where nobody knows."""
    places = points[..., :2]
    present: np.ndarray = points[..., 2] > 0
    limit = size[:, None, ::-1]
    wrong: np.ndarray = present & ((places >= limit) | (places < 0)).any(-1) & np.all(size > 0, axis=1, keepdims=True)
    shown = [f"{names[row]}: joint {int(wrong[row].argmax())}" for row in np.flatnonzero(wrong.any(1)).tolist()]
    report.none_of(f"rows of {report.short(path)} with joints outside the picture", shown)


def _pairs(report: Report, path: Path | None, side: str, stored: dict[str, tuple[int, int]]) -> None:
    if path is None:
        report.absent(f"market-pairs-{side}.csv", "pairs are made by the rule of the published ones")
        return
    lines = read_text(path).splitlines()[1:]
    pairs = [[name.strip().lower() for name in line.split(",")] for line in lines if line.strip()]
    report.none_of(
        f"lines of {report.short(path)} that cannot be understood", [",".join(pair) for pair in pairs if len(pair) != 2]
    )
    pairs = [pair for pair in pairs if len(pair) == 2]
    report.count(f"pairs in {report.short(path)}", len(pairs), PAIRS[side])
    listed(report, path, (name for pair in pairs for name in pair), stored)
    strangers = [",".join(pair) for pair in pairs if pair[0].split("_")[0] != pair[1].split("_")[0]]
    report.none_of(f"pairs in {report.short(path)} of two different people", strangers)
