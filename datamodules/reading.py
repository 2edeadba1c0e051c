"""Reading pictures and label maps, as they are found on real disks.

What carries meaning is converted: greyscale, palettes, CMYK, 16 bits, transparency (over white), a camera's rotation. What
does not is `Unreadable`. `scan` finds unreadable files before training, without decoding them.
"""

from __future__ import annotations

import fnmatch
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePath
from typing import IO, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps

from datamodules.bad_input import BadInput
from datamodules.shards import opened

EXTENSIONS = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
"""What counts as an image file, whatever the case of the letters."""

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""


MOST_COLOUR = 24
"""How far the colours of a grey picture may lie from their mean, of 255: JPEG makes grey pictures a little coloured."""


class Unreadable(BadInput):
    """An image file that cannot be read."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        # Workers send it to the main process.
        return Unreadable, (self.path, self.reason)


def read_picture(path: str, at_least: tuple[int, int] | None = None) -> np.ndarray:
    """A picture as (height, width, 3) uint8.

    Args:
        at_least: height and width that are enough: a JPEG that is twice, four or eight times as large is decoded to a half,
            a quarter or an eighth of its size, which takes less time and gives slightly other pixels. None: as stored.

    Raises:
        Unreadable: it is not an image, truncated, or of a kind without an obvious meaning as a picture.
    """
    return _decoded(path, partial(_as_rgb, at_least=at_least))


def read_labels(path: str) -> np.ndarray:
    """A label map as (height, width) class indices, uint8 (uint16 where the file has 16 bits).

    Raises:
        Unreadable: it is not an image, truncated, or a colour picture rather than indices.
    """
    return _decoded(path, _as_indices)


def read_mask(path: str) -> np.ndarray:
    """A mask as (height, width) uint8, white inside. Transparency is ignored: what nobody painted is often black and
    transparent.

    Raises:
        Unreadable: it is not an image, truncated, or a colour picture.
    """
    return _decoded(path, _as_grey)


def _decoded(path: str, convert: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    try:
        with opened(path) as file, Image.open(file) as image:
            return convert(image)
    except FileNotFoundError as error:
        raise Unreadable(path, "does not exist") from error
    except PermissionError as error:
        raise Unreadable(path, "may not be read: permission denied") from error
    except IsADirectoryError as error:
        raise Unreadable(path, "is a folder: name an image file in it") from error
    except Image.UnidentifiedImageError as error:
        raise Unreadable(path, "is not an image") from error
    except _Meaningless as error:
        raise Unreadable(path, str(error)) from error
    # Pillow raises these for files that are cut off or damaged, depending on the format and the place.
    except (
        OSError,
        SyntaxError,
        ValueError,
        IndexError,
        struct.error,
        EOFError,
        Image.DecompressionBombError,
    ) as error:
        raise Unreadable(path, f"is damaged: {error}") from error


class _Meaningless(Exception):
    pass


def _as_rgb(image: Image.Image, at_least: tuple[int, int] | None = None) -> np.ndarray:
    if at_least is not None:
        turned = image.getexif().get(ORIENTATION, 1) >= 5  # the file's rows are the picture's columns
        image.draft(None, at_least if turned else at_least[::-1])
    plain = image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(ORIENTATION, 1) == 1
    file = image.fp if isinstance(image, ImageFile.ImageFile) and plain and at_least is None else None
    pixels = None if file is None else _jpeg(file)
    if pixels is not None:
        return pixels
    if image.mode != "RGB":
        image = _with_colours(image)
    elif "transparency" in image.info:
        image = _with_colours(image.convert("RGBA"))
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    return np.array(image)


def _jpeg(file: IO[bytes]) -> np.ndarray | None:
    """The pixels of a JPEG of three colours, equal to Pillow's to the bit in half of the time: Pillow gives a pixel four bytes,
    and copies a picture twice for NumPy. None where the decoder refuses the file, so that Pillow reads it or says why not."""
    from torchvision.io import decode_jpeg

    file.seek(0)
    try:
        found = decode_jpeg(torch.frombuffer(bytearray(file.read()), dtype=torch.uint8))
    except RuntimeError:
        return None
    return found.permute(1, 2, 0).numpy()


def _as_grey(image: Image.Image) -> np.ndarray:
    if image.mode in ("LA", "PA", "RGBA", "P"):
        exif = image.info.get("exif")
        image = image.convert("RGB")
        image.info = {} if exif is None else {"exif": exif}
    colours = _as_rgb(image).astype(np.float32)
    grey = colours.mean(2)
    if np.abs(colours - grey[..., None]).max(initial=0) > MOST_COLOUR:
        raise _Meaningless("is a colour picture: a mask is grey, white where the region is")
    return grey.round().astype(np.uint8)


def _with_colours(image: Image.Image) -> Image.Image:
    """RGB from any other mode."""
    exif = image.info.get("exif")
    if image.mode.startswith("I"):
        # 16 bits per pixel; Pillow's own conversion would clip at 255.
        values = np.asarray(image)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise _Meaningless("has more than 16 bits per pixel")
        image = Image.fromarray((values // 256).astype(np.uint8))
    elif image.mode == "F":
        raise _Meaningless("holds floating point numbers, whose range as a picture is not known")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.new("RGBA", over.size, "white")
        image.alpha_composite(over)
    image = image.convert("RGB")
    if exif is not None:
        image.info["exif"] = exif
    return image


def _as_indices(image: Image.Image) -> np.ndarray:
    if image.mode in ("L", "P"):
        return np.array(image)
    if image.mode == "1":
        return np.array(image, np.uint8)
    values = np.asarray(image)
    if image.mode.startswith("I") and values.min(initial=0) >= 0 and values.max(initial=0) <= 65535:
        return values.astype(np.uint16)
    if image.mode == "RGB" and (values == values[..., :1]).all():
        return values[..., 0].copy()
    raise _Meaningless(
        f"is no label map: it has colours (mode {image.mode}) where one class index per pixel is expected"
    )


def list_images(folder: Path, pattern: str | None = None, recursive: bool = True) -> tuple[list[str], list[str]]:
    """The image files in a folder, and the files in it that are none.

    Args:
        pattern: which file names count, such as `*.png`; upper and lower case are the same.
        recursive: whether folders inside count too; symbolic links are followed, each folder once.

    Returns:
        Paths relative to `folder` with forward slashes, sorted: images, and others. Hidden files are in neither.
    """
    images: list[str] = []
    others: list[str] = []
    for path in _files(folder, recursive):
        name = path.rsplit("/", 1)[-1]
        if pattern is not None and not fnmatch.fnmatchcase(name.lower(), pattern.lower()):
            continue
        (images if PurePath(name).suffix.lower() in EXTENSIONS else others).append(path)
    return sorted(images), sorted(others)


def _files(folder: Path, recursive: bool) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    pending = [(str(folder), "")]
    while pending:
        path, prefix = pending.pop()
        status = Path(path).stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    if recursive:
                        pending.append((entry.path, f"{prefix}{entry.name}/"))
                else:
                    yield f"{prefix}{entry.name}"


@dataclass(frozen=True)
class Scan:
    """What a look at many image files showed."""

    faults: dict[int, str] = field(default_factory=dict)
    """Position in the list -> why the file cannot be read."""
    sizes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    """(N, 2) height and width as stored; zeros where the file cannot be read."""


def scan(paths: Sequence[str], threads: int = 16) -> Scan:
    """Look at the header and the end of every file; decode only those whose end is not where it should be.

    This finds missing, empty, truncated and mistaken files. It does not find damage in the middle of a file.
    """
    faults: dict[int, str] = {}
    sizes = np.zeros((len(paths), 2), np.int32)
    with ThreadPoolExecutor(threads) as pool:
        # In portions: handing a thread a single file takes longer than looking at it.
        portions = [paths[start : start + 64] for start in range(0, len(paths), 64)]
        looks = (
            look for portion in pool.map(lambda part: [_look_at(path) for path in part], portions) for look in portion
        )
        for position, found in enumerate(looks):
            if isinstance(found, str):
                faults[position] = found
            else:
                sizes[position] = found
    return Scan(faults, sizes)


def _look_at(path: str) -> tuple[int, int] | str:
    """Height and width of an image file, or why it cannot be read."""
    try:
        with opened(path) as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(0)
            if length == 0:
                return "is empty (0 bytes)"
            with Image.open(file) as image:
                size = image.height, image.width
                if not _ends_well(file, length, image.format or ""):
                    image.load()
        return size
    except FileNotFoundError:
        return "does not exist" if not Path(path).is_symlink() else "is a symbolic link to a file that does not exist"
    except PermissionError:
        return "may not be read: permission denied"
    except IsADirectoryError:
        return "is a folder"
    except Image.UnidentifiedImageError:
        return "is not an image"
    except (
        OSError,
        SyntaxError,
        ValueError,
        IndexError,
        struct.error,
        EOFError,
        Image.DecompressionBombError,
    ) as error:
        return f"is damaged: {error}"


def _ends_well(file: BinaryIO, length: int, format: str) -> bool:
    """Whether the file ends as its format does. False may also mean that something harmless follows the end."""
    position = file.tell()
    try:
        if format == "WEBP":
            file.seek(4)
            return length >= struct.unpack("<I", file.read(4))[0] + 8
        marker = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND", "GIF": b"\x3b"}.get(format)
        if marker is None:
            return False
        file.seek(max(0, length - 64))
        return marker in file.read()
    finally:
        file.seek(position)
