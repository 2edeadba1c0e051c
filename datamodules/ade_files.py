"""Where the files of ADE20k lie, in the forms in which people keep them, and what its text files say."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from datamodules.bad_input import BadInput
from datamodules.reading import list_images
from datamodules.text_file import read_text

FOLDERS = {"train": "training", "test": "validation"}
PUBLISHED = {"train": 20_210, "test": 2_000}
"""How many images each folder of the whole dataset has."""
NAME = "ADEChallengeData2016"
NO_CATEGORY = "misc"
"""What sceneCategories.txt calls an image that belongs to no category."""

_WHERE = (
    "data.root must be ADEChallengeData2016 (with images/training), its parent, or a folder `images` in which every PNG lies "
    "beside its JPG"
)


@dataclass(frozen=True)
class AdeFiles:
    """One copy of the dataset on disk."""

    root: Path
    images: Path
    """The folder that holds `training` and `validation`."""
    annotations: Path | None
    """The folder of label maps with the same sub-folders; None where each lies beside its image."""

    @property
    def home(self) -> Path:
        """The folder that the text files belong in."""
        return self.images.parent if self.images.name == "images" else self.images

    def stems(self, part: str) -> dict[str, str]:
        """Stem -> file name of the photographs of a part, train or test, sorted; nothing where there is no such folder.

        Raises:
            BadInput: it holds files of the full release.
        """
        folder = self.images / FOLDERS[part]
        if not folder.is_dir():
            return {}
        names, _ = list_images(folder, "*.jp*g", recursive=False)
        stems = {name.rsplit(".", 1)[0]: name for name in names}
        if not stems or not any(stem.startswith("ADE_") for stem in stems):
            others, _ = list_images(folder, "*.png", recursive=False)
            refuse_full_release(folder)
            raise BadInput(
                f"{folder} holds no image named like ADE_train_00000001.jpg ({len(stems) + len(others)} others)"
            )
        first = next(iter(stems))
        if (folder / f"{first}_seg.png").exists():
            refuse_full_release(folder)
        return stems

    def label_map(self, part: str, stem: str) -> Path:
        """Where the label map of an image should be."""
        folder = self.images if self.annotations is None else self.annotations
        path = folder / FOLDERS[part] / f"{stem}.png"
        capitals = path.with_suffix(".PNG")
        return capitals if not path.exists() and capitals.exists() else path

    def text(self, name: str, lists: Path | None) -> Path | None:
        """A text file: in `lists`, in the dataset, in the root, or beside the dataset."""
        places = [*([] if lists is None else [lists]), self.home, self.images, self.root, self.home.parent]
        return next((place / name for place in places if (place / name).is_file()), None)


def find_files(root: Path) -> AdeFiles:
    """The dataset in or around a folder.

    Raises:
        BadInput: it is not there, or it is the full release.
    """
    if not root.exists():
        raise BadInput(
            f"{root} does not exist: set data.root to the folder ADEChallengeData2016 (ADEChallengeData2016.zip of "
            "sceneparsing.csail.mit.edu), or write a replica of it with "
            f"`python -m datamodules.replica ade20k {root}`"
        )
    if not root.is_dir():
        raise BadInput(f"{root} is a file: unpack it, and set data.root to the folder that comes out")
    for place in (root / "images", root, root / NAME / "images", root / NAME / NAME / "images", root / NAME):
        if any((place / folder).is_dir() for folder in FOLDERS.values()):
            annotations = place.parent / "annotations"
            apart = place.name == "images" and any((annotations / folder).is_dir() for folder in FOLDERS.values())
            return AdeFiles(root, place, annotations if apart else None)
    refuse_full_release(root)
    raise BadInput(f"{root} holds no folder images/training: {_WHERE}")


def refuse_full_release(folder: Path) -> None:
    """Say so where the folder is the full release of ADE20k, whose label maps mean something else.

    Raises:
        BadInput: it is.
    """
    # A look at the first files is enough: in the full release every second file is a map.
    for path in itertools.islice(folder.rglob("*"), 20_000):
        if path.name.endswith("_seg.png") or "_parts_" in path.name:
            raise BadInput(
                f"{folder} is the full release of ADE20k ({path.name}), which codes 3,000 classes in colours; image "
                "synthesis uses ADEChallengeData2016 with 150 classes: download that one (ADEChallengeData2016.zip)"
            )


def read_categories(path: Path) -> dict[str, str]:
    """Stem -> scene category, from sceneCategories.txt.

    Raises:
        BadInput: a line without two words.
    """
    found = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise BadInput(f"{path}, line {number}: an image and its scene category expected, found {line[:80]!r}")
        found[words[0].rsplit(".", 1)[0]] = words[1]
    return found


def read_stems(path: Path) -> set[str]:
    """The images that a list names, one a line, with or without folders and extension.

    Raises:
        BadInput: the list is not there, or empty.
    """
    if not path.is_file():
        raise BadInput(f"the list of images {path} does not exist (data.subset_list)")
    lines = (line.strip().replace("\\", "/") for line in read_text(path).splitlines())
    found = {line.rsplit("/", 1)[-1].split(".")[0] for line in lines if line}
    if not found:
        raise BadInput(f"the list of images {path} is empty (data.subset_list)")
    return found
