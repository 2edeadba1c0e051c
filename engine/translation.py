"""A checkpoint on a user's own files: images in, translated images out."""

from __future__ import annotations

import logging
import pathlib
import re
import sys
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from rich.progress import track
from torchvision.io import read_image
from torchvision.utils import make_grid, save_image

from datamodules.bad_input import BadInput
from datamodules.reading import EXTENSIONS
from engine.applying import rebuild
from lightning_modules.blocks.picture import structure_picture
from lightning_modules.translator import Translator, keyed_randomness

log = logging.getLogger(__name__)

GRID = "grid.png"
"""All pairs in one picture."""
IGNORED = {"thumbs.db", "desktop.ini"}
COMPANION = "_subset.txt"
"""The second of the two files that hold one OpenPose detection: it is read with the first."""


def main(config: dict[str, Any], output: pathlib.Path) -> float | None:
    """Translate the files that a checked config names, one png each."""
    out = pathlib.Path(config["out"])
    translator, data, _ = rebuild(
        config["ckpt"], config.get("model"), config.get("data"), config["seed"], config["averaged"]
    )
    if translator.layout_from == "picture":
        data.show_layouts_by_pictures()
    sources, structures = (_files(side, config[side]) for side in ("source", "structure"))
    for side, files in (("source", sources), ("structure", structures)):
        if side in translator.reads and not files:
            raise BadInput(f"{side}=FILE_OR_DIR is needed: {type(translator).__name__} makes its images from it")
    pairs = all_pairs(sources, structures) if config["all_pairs"] else paired(sources, structures)
    targets = [out / f"{name}.png" for name in output_names(pairs)]
    existing = [target for target in [*targets, *[out / GRID] * config["all_pairs"]] if target.exists()]
    if existing and not config["overwrite"]:
        raise BadInput(f"{existing[0]} exists already; choose another folder with out=... or say overwrite=true")
    out.mkdir(parents=True, exist_ok=True)
    device = _device(config["device"])
    options = translator.placed_options(config["options"], data.placed)
    translator.to(device)
    if config["panels"]:
        write_panels(translator, data, pairs, targets, device, config)
    starts = range(0, len(pairs), config["batch_size"])
    hidden = len(starts) < 2 or not sys.stdout.isatty()
    for start in track(starts, description=f"Translating {len(pairs)} images", disable=hidden):
        chunk = slice(start, start + config["batch_size"])
        images = _translated(translator, data, pairs[chunk], device, options, config["seed"], start)
        for image, pair, target in zip(images, pairs[chunk], targets[chunk], strict=True):
            _save_whole(data.as_given(image, pair[1] or pair[0]) if config["original_size"] else image, target)
    if config["all_pairs"]:
        save_combinations(sources, structures, targets, data, out / GRID)
    log.info("%d translated images are in %s", len(targets), out)
    return None


Pair = tuple[pathlib.Path | None, pathlib.Path | None]


def paired(sources: Sequence[pathlib.Path], structures: Sequence[pathlib.Path]) -> list[Pair]:
    """Which source goes with which structure: one goes with all of the other side, equal counts go by name or else by order.

    Raises:
        BadInput: nothing to translate, or counts that fit neither way.
    """
    if not sources and not structures:
        raise BadInput("nothing to translate: give source=FILE_OR_DIR, structure=FILE_OR_DIR, or both")
    if not structures:
        return [(source, None) for source in sources]
    if not sources:
        return [(None, structure) for structure in structures]
    if len(sources) == 1 or len(structures) == 1:
        return [(source, structure) for source in sources for structure in structures]
    if len(sources) != len(structures):
        raise BadInput(
            f"{len(sources)} sources and {len(structures)} structures do not pair up: give equally many, or one of either"
        )
    by_stem = {structure.stem: structure for structure in structures}
    if len(by_stem) == len(structures) and {source.stem for source in sources} == by_stem.keys():
        return [(source, by_stem[source.stem]) for source in sources]
    return list(zip(sources, structures, strict=True))


def all_pairs(sources: Sequence[pathlib.Path], structures: Sequence[pathlib.Path]) -> list[Pair]:
    """Every source with every structure, all structures of the first source first.

    Raises:
        BadInput: one side is missing.
    """
    if not sources or not structures:
        raise BadInput("all_pairs=true combines sources with structures: give both source=... and structure=...")
    return [(source, structure) for source in sources for structure in structures]


def save_combinations(
    sources: Sequence[pathlib.Path],
    structures: Sequence[pathlib.Path],
    targets: Sequence[pathlib.Path],
    data: Any,
    file: pathlib.Path,
) -> None:
    """One picture of all pairs: sources in the first column, structures in the first row, translations where they meet."""
    shown = data.batch_from_files([None] * len(structures), list(structures)).target_structure
    height, width = shown.shape[2:]
    appearances = data.batch_from_files(list(sources), [structures[0]] * len(sources)).source
    translations = [_thumbnail(target, height, width) for target in targets]
    cells = [torch.ones(3, height, width), *structure_picture(shown)]
    for row, appearance in enumerate(appearances):
        cells += [appearance, *translations[row * len(structures) : (row + 1) * len(structures)]]
    picture = make_grid(cells, nrow=len(structures) + 1, padding=2, pad_value=1.0)
    _save_whole(picture, file)


def _thumbnail(file: pathlib.Path, height: int, width: int) -> torch.Tensor:
    pixels = read_image(str(file)).float()[None] / 127.5 - 1
    return F.interpolate(pixels, (height, width), mode="bicubic", antialias=True)[0].clamp(-1, 1)


def output_names(pairs: Sequence[Pair]) -> list[str]:
    """A name for each translated image, that of its files; numbered where two would be equal."""
    names = []
    for source, structure in pairs:
        stems = list(dict.fromkeys(path.stem for path in (source, structure) if path is not None))
        names.append("_to_".join(stems))
    repeated = {name for name in names if names.count(name) > 1}
    return [f"{name}_{position}" if name in repeated else name for position, name in enumerate(names)]


def _files(side: str, path: str | None) -> list[pathlib.Path]:
    if path is None:
        return []
    root = pathlib.Path(path).expanduser()
    if root.is_dir():
        files = sorted(file for file in root.rglob("*") if file.is_file() and _counts(file))
        if not files:
            raise BadInput(f"{side}={path}: the folder holds no files")
        return without_keypoints_of_pictures(files)
    if not root.is_file():
        raise BadInput(f"{side}={path}: there is no such file or folder")
    return [root]


def without_keypoints_of_pictures(files: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The files but those of keypoints that lie beside their picture: the picture brings its pose along."""
    pictures = {file.with_suffix("") for file in files if file.suffix.lower() in EXTENSIONS}

    def named_after_a_picture(file: pathlib.Path) -> bool:
        stem = file.stem.removesuffix("_keypoints").removesuffix("_candidate")
        return file.suffix.lower() not in EXTENSIONS and file.with_name(stem) in pictures

    return [file for file in files if not named_after_a_picture(file)]


def _counts(file: pathlib.Path) -> bool:
    name = file.name.lower()
    return not (name.startswith(".") or name in IGNORED or name.endswith(COMPANION))


def _translated(
    translator: Translator,
    data: Any,
    pairs: Sequence[Pair],
    device: torch.device,
    options: dict[str, Any],
    seed: int,
    start: int,
) -> torch.Tensor:
    batch = data.batch_from_files([source for source, _ in pairs], [structure for _, structure in pairs]).to(device)
    with torch.inference_mode(), keyed_randomness(seed, "translate", start):
        return translator.translate(batch, **options).float().clamp(-1, 1).cpu()


NOT_WRITTEN = ("translation", "target")
"""Panels that are not: the translation is NAME.png itself, and of one's own files nobody knows the truth."""


def write_panels(
    translator: Translator,
    data: Any,
    pairs: Sequence[Pair],
    targets: Sequence[pathlib.Path],
    device: torch.device,
    config: dict[str, Any],
) -> None:
    """Write NAME/<title>.png beside each NAME.png for what `Translator.panels` shows, such as `warped_exemplar`.

    Raises:
        BadInput: such a folder exists already, and nothing may be overwritten.
    """
    folders = [target.with_suffix("") for target in targets]
    existing = [folder for folder in folders if folder.exists()]
    if existing and not config["overwrite"]:
        raise BadInput(f"{existing[0]} exists already; choose another folder with out=... or say overwrite=true")
    for start in range(0, len(pairs), config["batch_size"]):
        chunk = slice(start, start + config["batch_size"])
        sources, structures = zip(*pairs[chunk], strict=True)
        batch = data.batch_from_files(list(sources), list(structures)).to(device)
        with torch.inference_mode(), keyed_randomness(config["seed"], "translate", start):
            panels = translator.panels(batch)
        for title, images in panels.items():
            if title in NOT_WRITTEN:
                continue
            for image, folder in zip(images.float().clamp(-1, 1).cpu(), folders[chunk], strict=True):
                folder.mkdir(exist_ok=True)
                _save_whole(image, folder / f"{re.sub(r'[^a-z0-9]+', '_', title.lower()).strip('_')}.png")


def _device(name: str) -> torch.device:
    if name != "auto":
        try:
            return torch.empty(0, device=name).device
        except (RuntimeError, AssertionError) as error:
            raise BadInput(f"device={name}: {str(error).splitlines()[0]}") from error
    return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")


def _save_whole(image: torch.Tensor, target: pathlib.Path) -> None:
    partial = target.with_name(f".{target.name}")
    save_image(image, partial, normalize=True, value_range=(-1, 1), format="png")
    partial.replace(target)
