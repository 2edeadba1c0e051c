"""`python -m datamodules.pack NAME DIR OUT`: write a dataset into WebDataset-style shards, to be read with `data.shards`.

Shards are `NAME-000000.tar`, ...: the dataset's files under their own paths, files of one key (the path up to the first dot
of its name) side by side. The same files give the same shards to the bit. A shard appears when it is whole, and the list of
them, `shards.json`, when all are: what was cut short goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import tarfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from datamodules.bad_input import BadInput, exits_with_one_sentence, nearest
from datamodules.face_masks import KEPT
from datamodules.reading import EXTENSIONS
from datamodules.shard_view import MANIFEST

LAYOUTS = {
    "market1501": "bounding_box_train, bounding_box_test or train, test",
    "deepfashion": "img_highres, img or train, test",
    "celebahq": "CelebA-HQ-img",
    "ade20k": "images",
    "folders": ".",
}
"""What a copy of each dataset holds, at its top or one folder below."""


def pack(name: str, directory: Path, out: Path, shard_bytes: int = 1 << 30) -> list[Path]:
    """Write a folder's files into shards and return them.

    Args:
        name: of the dataset, which shards are named after.
        directory: the dataset's folder: what data.root would be.
        out: the folder for the shards.
        shard_bytes: a shard is closed when it holds so many.

    Raises:
        BadInput: not that dataset, or no place to write to.
    """
    files = _files(name, directory)
    groups = _groups(directory, files, shard_bytes)
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    entries = []
    with Progress() as progress:
        task = progress.add_task(f"packing {name}", total=len(files))
        for number, group in enumerate(groups):
            path = out / f"{name}-{number:06}.tar"
            entries.append(_write(path, directory, group))
            progress.advance(task, len(group))
    for stale in set(out.glob(f"{name}-*.tar")) - {out / str(entry["name"]) for entry in entries}:
        stale.unlink()
    partial = out / f".{MANIFEST}.{uuid.uuid4().hex[:8]}"
    partial.write_text(json.dumps({"dataset": name, "files": len(files), "shards": entries}, indent=1) + "\n")
    partial.replace(out / MANIFEST)
    return [out / str(entry["name"]) for entry in entries]


def _files(name: str, directory: Path) -> list[str]:
    """All files of a dataset's folder, without hidden ones and caches, relative to it."""
    if name not in LAYOUTS:
        raise BadInput(f"there is no dataset {name!r}, only {', '.join(LAYOUTS)}.{nearest(name, LAYOUTS)}")
    if not directory.is_dir():
        raise BadInput(f"{directory} is no folder: give the one that data.root would be")
    places = [directory, *(place for place in directory.iterdir() if place.is_dir())]
    wanted = LAYOUTS[name].replace(" or ", ", ").split(", ")
    if not any((place / inside).is_dir() for place in places for inside in wanted):
        raise BadInput(f"{directory} holds none of {LAYOUTS[name]}: it is no copy of {name}")
    found = []
    for folder, inside, files in os.walk(directory, followlinks=True):
        inside[:] = sorted(one for one in inside if not one.startswith(".") and one != KEPT)
        found += [Path(folder, one) for one in files if not one.startswith((".", "label-shares-"))]
    if not any(path.suffix.lower() in EXTENSIONS for path in found):
        raise BadInput(f"{directory} holds no images")
    return [path.relative_to(directory).as_posix() for path in found]


def _key(path: str) -> str:
    """What WebDataset takes for the key of a member: its path up to the first dot of its name."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.split('.', 1)[0]}"


def _groups(directory: Path, files: Sequence[str], shard_bytes: int) -> list[list[str]]:
    """The files of each shard; those of one key are never parted."""
    groups: list[list[str]] = []
    filled, last = shard_bytes, ""
    for path in sorted(files, key=lambda path: (_key(path), path)):
        if filled >= shard_bytes and (not groups or _key(path) != last):
            groups.append([])
            filled = 0
        groups[-1].append(path)
        filled += (directory / path).stat().st_size
        last = _key(path)
    return groups


def _write(path: Path, directory: Path, group: Sequence[str]) -> dict[str, object]:
    """Write a shard, unless it is there already, and say how long it is and its sum."""
    if not _is_there(path, directory, group):
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        try:
            with tarfile.open(partial, "w") as tar:
                for name in group:
                    content = (directory / name).read_bytes()
                    member = tarfile.TarInfo(name)  # of nobody and no time, so that the same files give the same shard
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            partial.replace(path)
        except OSError as error:
            raise BadInput(f"{path} cannot be written: {error}; what is whole stays, start again to go on") from error
        finally:
            partial.unlink(missing_ok=True)
    with path.open("rb") as file:
        return {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _is_there(path: Path, directory: Path, group: Sequence[str]) -> bool:
    """Whether a shard holds just these files, none of which changed since."""
    if not path.is_file():
        return False
    stats = {name: (directory / name).stat() for name in group}
    if path.stat().st_mtime <= max(found.st_mtime for found in stats.values()):
        return False
    try:
        with tarfile.open(path, "r:") as tar:
            return [(one.name, one.size) for one in tar] == [(name, found.st_size) for name, found in stats.items()]
    except tarfile.TarError:
        return False


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the shards that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m datamodules.pack", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", help=", ".join(LAYOUTS))
    parser.add_argument("directory", type=Path, help="the dataset's folder")
    parser.add_argument("out", type=Path, help="the folder for the shards")
    parser.add_argument("--shard-megabytes", type=int, default=1024, help="how large a shard grows (default: 1024)")
    given = parser.parse_args(arguments)
    if given.shard_megabytes < 1:
        raise BadInput(f"--shard-megabytes must be 1 or more, not {given.shard_megabytes}")
    shards = pack(given.name, given.directory, given.out, given.shard_megabytes << 20)
    size = sum(path.stat().st_size for path in shards)
    print(
        f"{len(shards)} shards of {size / 1e6:.1f} MB are in {given.out}: python train.py data={given.name} data.shards={given.out} data.root=NEW_FOLDER"
    )


if __name__ == "__main__":
    exits_with_one_sentence(main)()
