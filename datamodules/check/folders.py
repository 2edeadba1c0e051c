"""Are folders of your own images ready for `data=folders`?"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from datamodules.bad_input import BadInput
from datamodules.check.looking import odd_sizes, sizes
from datamodules.check.naming import twice
from datamodules.check.report import Report
from datamodules.folders import WORDS, split_folders
from datamodules.reading import list_images
from datamodules.translation import Split

ANY_SPLIT = "|".join(sorted((word for words in WORDS.values() for word in words), key=len, reverse=True))


def check(root: Path, report: Report) -> None:
    """See `datamodules.check`. The domains are what `folder_x` and `folder_y` would be called, see `domains`."""
    if not root.is_dir():
        raise BadInput(f"{root} does not exist: name the folder that data.root would be")
    found = domains(root)
    report.count(f"domains ({', '.join(found)})", len(found), None)
    names = {domain: _domain(report, root, domain) for domain in found}
    if len(found) == 2:
        for split in WORDS:
            x, y = (names[domain].get(split) for domain in found)
            if x is not None and y is not None:
                _partners(report, split, dict(zip(found, (x, y), strict=True)))


def domains(root: Path) -> list[str]:
    """What lies in a folder, in the words of `data.folder_x`: sub-folders, each a domain; `{split}A` for trainA and testA;
    `{split}/A` for train/A and test/A; `.` where the images lie in the folder itself or in its train, val and test."""
    children = _folders(root)
    splits = [child for child in children if re.fullmatch(ANY_SPLIT, child.name)]
    if splits:
        inner = dict.fromkeys(f"{{split}}/{folder.name}" for child in splits for folder in _folders(child))
        direct = any(list_images(child, recursive=False)[0] for child in splits)
        return ["."] if direct or not inner else sorted(inner)
    patterns = (rf"^(?:{ANY_SPLIT})(?=[^a-z])", rf"(?<=[^A-Za-z])(?:{ANY_SPLIT})$")
    found = [re.sub("|".join(patterns), "{split}", child.name, count=1) for child in children]
    return list(dict.fromkeys(found)) or ["."]


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def _domain(report: Report, root: Path, domain: str) -> dict[Split, list[str]]:
    """Check the images of a domain; split -> their names."""
    folders = split_folders(root / domain)
    found: dict[Split, list[str]] = {}
    for split, folder in folders.items():
        what = f"images in {report.short(folder)}"
        names, others = list_images(folder)
        report.count(what, len(names), None)
        if not names:
            report.none_of(f"folders without an image: {report.short(folder)}", [report.short(folder)])
        report.none_of(f"other files in {report.short(folder)}, which are ignored", others, "note")
        paths = [str(folder / name) for name in names]
        odd_sizes(report, what, paths, sizes(report, what, paths))
        found[split] = names
    if "train" not in folders:
        report.absent(f"train of {domain}", "nothing to train on", "FAULT")
    elif "val" not in folders:
        report.absent(f"val of {domain}", "a part of train is held out (data.val_fraction)")
    if "test" not in folders:
        report.absent(f"test of {domain}", "testing uses the images of validation")
    return found


def _partners(report: Report, split: Split, names: dict[str, list[str]]) -> None:
    """Rows about names that only one of two domains has, where the domains look aligned: most names are in both."""
    stems = {domain: [str(PurePosixPath(name).with_suffix("")) for name in side] for domain, side in names.items()}
    (x, side_x), (y, side_y) = stems.items()
    both = set(side_x) & set(side_y)
    aligned = 2 * len(both) > min(len(set(side_x)), len(set(side_y)))
    report.count(f"names in both {x} and {y} ({split})", len(both), None)
    if not aligned:
        report.absent(f"pairs by name ({split})", "data.layout=same_names is not for these folders, two_folders is")
        return
    for domain, side in stems.items():
        other = y if domain == x else x
        report.none_of(f"names in {domain} without a partner in {other} ({split})", sorted(set(side) - both))
        twice(report, Path(f"{domain} ({split})"), side)
