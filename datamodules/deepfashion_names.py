"""What the name of a DeepFashion image says, in every spelling that is in use.

img/WOMEN/Tees_Tanks/id_00007838/05_7_additional.jpg         the benchmark
img\\WOMEN\\Tees_Tanks\\id_00007838\\05_7_additional.jpg     CoCosNet's lists
fashionWOMENTees_Tanksid0000783805_7additional.jpg           the pose-transfer papers
fasionWOMENTeesTanksid0000783805_7additional.jpg             an older form of it
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

VIEWS = ("front", "side", "back", "full", "flat", "additional")
"""Views in the order of their numbers: 1_front, 2_side, 3_back, 4_full, 6_flat, 7_additional (there is no 5)."""

_SEPARATORS = str.maketrans("", "", "/\\_ \t\r\n\"'")
_NAME = re.compile(r"(WOMEN|MEN)([A-Za-z]+?)id(\d{8})(\d{2})(\d)([a-z]+)(?:\.[A-Za-z]+)?$")


def same(name: str) -> str | None:
    """The same text for every spelling of one image's name; None for what is no such name."""
    found = _NAME.search(name.translate(_SEPARATORS))
    return None if found is None else " ".join(found.groups())


def flattened(path: str) -> str:
    """`img/WOMEN/Tees_Tanks/id_00007838/05_7_additional.jpg` -> `fashionWOMENTees_Tanksid0000783805_7additional.jpg`."""
    *_, gender, category, item, file = path.split("/")
    variant, rest = file.split("_", 1)
    return f"fashion{gender}{category}{item.replace('_', '')}{variant}_{rest.replace('_', '')}"


@dataclass(frozen=True)
class Columns:
    """What the names of N images say, as numbers; `names` say what the numbers mean."""

    person: np.ndarray
    """(N,) int32: gender, category, item and variant. Items alone are not unique, and their variants look different."""
    view: np.ndarray
    gender: np.ndarray
    category: np.ndarray
    names: dict[str, list[str]]
    """For view, gender and category: the name of each number."""

    @classmethod
    def of(cls, known: list[str]) -> Columns:
        """Columns of images given by `same`."""
        words = [text.split(" ") for text in known]
        people = [" ".join(word[:4]) for word in words]
        columns = {
            "view": [word[5] for word in words],
            "gender": [word[0] for word in words],
            "category": [word[1] for word in words],
        }
        names, codes = {}, {}
        for what, values in columns.items():
            unique, code = np.unique(np.array(values, dtype=np.str_), return_inverse=True)
            names[what], codes[what] = unique.tolist(), code.astype(np.int32)
        person = np.unique(np.array(people, dtype=np.str_), return_inverse=True)[1].astype(np.int32)
        return cls(person, codes["view"], codes["gender"], codes["category"], names)

    def domain(self, what: str) -> np.ndarray:
        """The column `view`, `gender` or `category`."""
        column: np.ndarray = getattr(self, what)
        return column
