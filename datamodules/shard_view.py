"""A dataset in a few large files: WebDataset-style shards (tar files whose members are named KEY.EXTENSION).

    python -m datamodules.pack celebahq CelebAMask-HQ shards/celebahq
    python train.py data=celebahq data.shards=shards/celebahq data.root=/scratch/CelebAMask-HQ
    python train.py data=folders data.shards='https://host/set-{000000..000009}.tar' data.root=/scratch/set ...

`data.shards` is a folder or an address that `datamodules.pack` has written, or one tar or more of anybody's. Shards hold the
dataset's own files, so every dataset, pairing and structure works from them and gives the very same batches.

`data.root` becomes a view of them, made once: the small files (lists, annotations) as they are, and an empty file in the
place of every image, whose bytes are read out of its shard, at the offset that an index says, through memory that all
processes share. Any order costs the same, so the exact order, division among processes and resuming of `keyed_loader` hold.
Shards at an address are fetched into the view first, whole, each checked by its size and sum where the packer said them.
Nothing in a shard is executed, and no member can land outside the view.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
from rich.progress import track

from datamodules.bad_input import BadInput
from datamodules.reading import EXTENSIONS
from datamodules.shards import SOURCE, VIEW, view_of

MANIFEST = "shards.json"
"""What the packer writes beside its shards when all are whole: {"dataset", "shards": [{"name", "bytes", "sha256"}]}."""
SCHEMES = ("http", "https")


def make_view(root: Path, source: str) -> None:
    """Make `root` a view of shards; nothing is done where it is one of the same shards already.

    Args:
        source: a folder with a manifest or with tars, a tar, an address of either; {000..009} stands for these numbers.

    Raises:
        BadInput: no shards there, shards that are damaged or of a kind without offsets, or a `root` that is something else.
    """
    card = root / VIEW / SOURCE
    if root.exists():
        made_of = json.loads(card.read_text())["source"] if card.is_file() else None
        if made_of == _named(source):
            return
        what = f"a view of {made_of}" if made_of else "no view of shards"
        raise BadInput(
            f"{root} exists and is {what}: set data.root to a new folder to read data.shards={source} through, or "
            "data.shards=null to read the folder as it is"
        )
    partial = root.absolute().parent / f".{root.absolute().name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        (partial / VIEW).mkdir(parents=True)
        tars = _fetched(source, partial / VIEW) if urlsplit(source).scheme in SCHEMES else _local(source)
        _fill(partial, tars)
        final = [str(root.absolute() / VIEW / tar.name) if tar.is_relative_to(partial) else str(tar) for tar in tars]
        (partial / VIEW / SOURCE).write_text(json.dumps({"source": _named(source), "tars": final}))
        partial.rename(root)
    except OSError as error:
        if (root / VIEW / SOURCE).is_file():
            return  # another process was faster
        raise BadInput(f"{root} cannot be made a view of {source}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        view_of.cache_clear()


def _named(source: str) -> str:
    """A source as a view remembers it: an address, or an absolute path."""
    return source if urlsplit(source).scheme in SCHEMES else str(Path(source).expanduser().absolute())


def expanded(source: str) -> list[str]:
    """`set-{000..012}.tar` as 13 names; a name without braces as it is."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", source)
    if found is None:
        return [source]
    first, last = found.groups()
    numbers = range(int(first), int(last) + 1)
    return [f"{source[: found.start()]}{number:0{len(first)}}{source[found.end() :]}" for number in numbers]


def _local(source: str) -> list[Path]:
    """The tars of a source on disk."""
    paths = [Path(name).expanduser().absolute() for name in expanded(source)]
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        listed = _manifest((folder / MANIFEST).read_text(), folder) if (folder / MANIFEST).is_file() else None
        paths = [folder / one["name"] for one in listed] if listed is not None else sorted(folder.glob("*.tar"))
        if not paths:
            raise BadInput(
                f"{folder} holds neither {MANIFEST} nor a tar: write shards with `python -m datamodules.pack`"
            )
        for one in listed or ():
            path = folder / one["name"]
            if not path.is_file() or path.stat().st_size != one["bytes"]:
                raise BadInput(
                    f"{path} is not there or not whole ({one['bytes']} bytes expected): copy or pack it again"
                )
    for path in paths:
        if not path.is_file():
            raise BadInput(
                f"{path} does not exist: data.shards must be a folder of shards, a tar, or an http(s) address"
            )
    return paths


def _fetched(source: str, folder: Path) -> list[Path]:
    """The tars of an address, fetched into a folder."""
    if source.endswith(".tar"):
        addresses: list[tuple[str, dict[str, Any]]] = [(address, {}) for address in expanded(source)]
    else:
        base = source.removesuffix(MANIFEST).rstrip("/")
        with _answer(f"{base}/{MANIFEST}") as answer:
            listed = _manifest(answer.read().decode("utf-8", "replace"), f"{base}/{MANIFEST}")
        addresses = [(f"{base}/{one['name']}", one) for one in listed]
    paths = []
    for address, expected in track(addresses, description="fetching shards", disable=len(addresses) < 2):
        path = folder / str(urlsplit(address).path).rpartition("/")[2]
        state = hashlib.sha256()
        with _answer(address) as answer, path.open("wb") as file:
            length = answer.headers.get("Content-Length")
            while block := answer.read(1 << 20):
                state.update(block)
                file.write(block)
        size = path.stat().st_size
        whole = size == int(length) if length else True
        if expected and (size, state.hexdigest()) != (expected["bytes"], expected["sha256"]):
            whole = False
        if not whole:
            raise BadInput(f"{address} came damaged or cut off ({size} bytes): try again, or pack it again")
        paths.append(path)
    return paths


def _answer(address: str) -> Any:
    try:
        return urlopen(address, timeout=60)
    except (URLError, OSError, ValueError) as error:
        raise BadInput(f"{address} cannot be fetched: {getattr(error, 'reason', error)}") from error


def _manifest(text: str, where: Any) -> list[dict[str, Any]]:
    """The shards that a manifest lists."""
    try:
        listed = [
            {"name": str(one["name"]), "bytes": int(one["bytes"]), "sha256": str(one["sha256"])}
            for one in json.loads(text)["shards"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{where} is no list of shards as `python -m datamodules.pack` writes it") from error
    for one in listed:
        if "/" in str(one["name"]) or one["name"] in ("", ".", ".."):
            raise BadInput(f"{where} lists {one['name']!r}, which is no plain file name")
    return listed


def _fill(folder: Path, tars: Sequence[Path]) -> None:
    """Write the small files of some tars into a folder, an empty file for every image, and the index."""
    names: dict[bytes, tuple[int, int, int]] = {}
    for number, tar in enumerate(track(tars, description="indexing shards", disable=len(tars) < 2)):
        for member, file in _members(tar):
            place = folder / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                raise BadInput(
                    f"{tar} holds {member.name}, which is in another shard too: name only shards of one dataset"
                )
            if PurePosixPath(member.name).suffix.lower() in EXTENSIONS and member.size:
                place.touch()
                names[os.fsencode(PurePosixPath(member.name).as_posix())] = number, member.offset_data, member.size
            else:
                with place.open("wb") as out:
                    shutil.copyfileobj(file, out)
    order = sorted(names)
    np.save(folder / VIEW / "names.npy", np.array(order, np.bytes_) if order else np.zeros(0, "S1"))
    np.save(folder / VIEW / "places.npy", np.array([names[name] for name in order], np.int64).reshape(-1, 3))


def _members(tar: Path) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """The files of a tar, by its headers."""
    try:
        with tarfile.open(tar, "r:") as opened_tar:
            for member in opened_tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or VIEW in path.parts:
                    raise BadInput(f"{tar} holds {member.name!r}, which would lie outside the view: it is not read")
                if member.isreg():
                    yield member, opened_tar.extractfile(member)
                elif not member.isdir():
                    raise BadInput(f"{tar} holds {member.name!r}, which is a link or a device: only files are read")
    except tarfile.TarError as error:
        packed = tar.name.endswith((".gz", ".tgz", ".bz2", ".xz", ".zst"))
        remedy = "unpack it to a plain .tar first" if packed else "it is damaged or cut off; copy or pack it again"
        raise BadInput(f"{tar} is no tar that can be read at any place ({error}): {remedy}") from error
