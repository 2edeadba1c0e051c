"""Is a copy of ADE20k (ADEChallengeData2016) whole?"""

from __future__ import annotations

from pathlib import Path

from datamodules.ade_classes import CLASSES
from datamodules.ade_files import FOLDERS, PUBLISHED, AdeFiles, find_files, read_categories
from datamodules.bad_input import BadInput
from datamodules.check.looking import label_maps, sizes
from datamodules.check.naming import listed, unparsed
from datamodules.check.report import Report
from datamodules.exemplar_lists import ExemplarList
from datamodules.reading import list_images

LISTS = {"ade20k_ref.txt": None, "ade20k_ref_test.txt": PUBLISHED["test"]}
"""CoCosNet's lists of exemplars, and how many images they name."""


def check(root: Path, report: Report) -> None:
    """See `datamodules.check`."""
    files = find_files(root)
    for part in FOLDERS:
        _part(report, files, part)
    stems = {part: files.stems(part) for part in FOLDERS}
    known = {stem for part in stems.values() for stem in part}
    path = files.text("sceneCategories.txt", None)
    if path is None:
        report.absent("sceneCategories.txt", "no pairs within a scene category, no scenes as domains")
    else:
        try:
            categories = read_categories(path)
        except BadInput as error:
            unparsed(report, path, error)
        else:
            report.count(f"images in {report.short(path)}", len(categories), sum(PUBLISHED.values()))
            listed(report, path, categories, known)
            without = sorted(known - categories.keys())
            report.none_of(f"images without a scene category in {report.short(path)}", without)
    for name, published in LISTS.items():
        _exemplars(report, files.text(name, None), name, published, stems)


def _part(report: Report, files: AdeFiles, part: str) -> None:
    folder = files.images / FOLDERS[part]
    what = f"images in {report.short(folder)}"
    stems = files.stems(part)
    report.count(what, len(stems), PUBLISHED[part])
    if not folder.is_dir():
        return
    maps = folder if files.annotations is None else files.annotations / FOLDERS[part]
    _, others = list_images(folder, recursive=False)
    report.none_of(f"other files in {report.short(folder)}, which are ignored", others, "note")
    found = sizes(report, what, [str(folder / name) for name in stems.values()])
    there = (
        {name.rsplit(".", 1)[0] for name in list_images(maps, "*.png", recursive=False)[0]} if maps.is_dir() else set()
    )
    report.none_of(f"{what} without a label map", [stem for stem in stems if stem not in there])
    report.none_of(f"label maps in {report.short(maps)} without an image", sorted(there - stems.keys()))
    rows = [row for row, stem in enumerate(stems) if stem in there]
    names = list(stems)
    paths = [str(files.label_map(part, names[row])) for row in rows]
    label_maps(report, f"label maps in {report.short(maps)}", paths, CLASSES + 1, found[rows])


def _exemplars(
    report: Report, path: Path | None, name: str, published: int | None, stems: dict[str, dict[str, str]]
) -> None:
    if path is None:
        report.absent(name, "exemplars are the images with the most similar label maps")
        return
    try:
        lines = ExemplarList.read(path).names
    except BadInput as error:
        unparsed(report, path, error)
        return
    bare = [[name.rsplit("/", 1)[-1].rsplit(".", 1)[0] for name in line] for line in lines]
    report.count(f"images in {report.short(path)}", len(bare), published)
    listed(report, path, (name for line in bare for name in line), stems["train"].keys() | stems["test"].keys())
    foreign = [f"{line[0]}: {name}" for line in bare for name in line[1:] if name in stems["test"]]
    report.none_of(f"exemplars in {report.short(path)} that are images to test on", foreign)
