"""Where do these points look? The rows of the correspondence matrix, as a picture and a table.

python -m lightning_modules.cocosnet.inspect runs/.../checkpoints/last.ckpt --item 3 --points 40,64 25,100 --out looks.png
python -m lightning_modules.cocosnet.inspect runs/.../checkpoints/last.ckpt --item 3 --click
"""

from __future__ import annotations

import argparse
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from PIL import Image, ImageDraw
from torch import Tensor

from datamodules.bad_input import BadInput, exits_with_one_sentence
from datamodules.batch import Batch
from lightning_modules.blocks.picture import channel_colours, structure_picture
from lightning_modules.cocosnet.module import CoCosNet
from lightning_modules.cocosnet.view import colour_field, colour_key, confidence_picture

Point = tuple[int, int]
SMALLEST_SIDE = 256
"""Pictures are enlarged to this, so that points can be told apart."""


@dataclass(frozen=True)
class Look:
    """Where one point of a structure looks; points are (x, y) in pixels."""

    point: Point
    best: Point
    """The centre of the exemplar's position of greatest weight."""
    expected: tuple[float, float]
    """The mean of all positions by their weights."""
    confidence: float
    """The greatest weight."""
    weights: Tensor
    """(h', w'): all of them, summing to 1."""


def look(translator: CoCosNet, batch: Batch, points: Sequence[Point]) -> list[Look]:
    """Where points (x, y) of the first structure of a batch look in its exemplar.

    Raises:
        BadInput: a point lies outside the picture.
    """
    height, width = batch.target_structure.shape[-2:]
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):
            raise BadInput(f"the point {x},{y} lies outside the structure, which is {width} wide and {height} high")
    with torch.no_grad():
        match, _, _ = translator.look_and_translate(batch.select([0]))
    correlation, stride = match.correlation, translator.correspondence.stride
    columns = correlation.structure_size[1]
    rows = correlation.rows([(y // stride) * columns + x // stride for x, y in points])[0]
    looks = []
    for point, weights in zip(points, rows, strict=True):
        best = int(weights.argmax())
        y, x = divmod(best, weights.shape[1])
        centres = [(torch.arange(n, device=weights.device) + 0.5) * stride for n in weights.shape]
        expected = (float((weights.sum(0) * centres[1]).sum()), float((weights.sum(1) * centres[0]).sum()))
        middle = (x * stride + stride // 2, y * stride + stride // 2)
        looks.append(Look(point, middle, expected, float(weights.max()), weights.cpu()))
    return looks


def picture(translator: CoCosNet, batch: Batch, looks: Sequence[Look]) -> Image.Image:
    """Structure and exemplar with the points and their matches; below, how a point's weights spread over the exemplar."""
    batch = batch.select([0])
    with torch.no_grad():
        match, warp, image = translator.look_and_translate(batch)
    matches, size = match.correlation.matches(), (image.shape[2], image.shape[3])
    colours = [tuple(int(255 * c) for c in colour) for colour in channel_colours(max(len(looks), 2)).tolist()]
    structure, exemplar = _image(structure_picture(batch.target_structure)), _image(batch.source)
    scale = max(1, -(-SMALLEST_SIDE // min(structure.size)))
    first = [structure, exemplar, *map(_image, (warp.image, image))]
    second = [
        *map(_image, (colour_field(matches, size), colour_key(size), confidence_picture(matches, size), batch.target))
    ]
    tiles = [
        tile.resize((tile.width * scale, tile.height * scale), Image.Resampling.NEAREST) for tile in (*first, *second)
    ]
    for number, (found, colour) in enumerate(zip(looks, colours, strict=False)):
        _mark(tiles[0], found.point, scale, colour, str(number))
        _mark(tiles[1], found.best, scale, colour, str(number))
        tiles.append(_spread(found, exemplar, colour).resize(tiles[1].size, Image.Resampling.NEAREST))
    return _sheet(tiles, columns=4)


def _spread(found: Look, exemplar: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """The exemplar, dark but where a point looks; the greatest weight is full colour."""
    weights = F.interpolate(found.weights[None, None], (exemplar.height, exemplar.width), mode="nearest")[0, 0]
    mask = Image.fromarray((weights / weights.max() * 255).byte().numpy())
    return Image.composite(Image.new("RGB", exemplar.size, colour), exemplar.point(lambda value: value // 3), mask)


def _mark(tile: Image.Image, point: Point, scale: int, colour: tuple[int, ...], text: str) -> None:
    draw, (x, y) = ImageDraw.Draw(tile), ((point[0] + 0.5) * scale, (point[1] + 0.5) * scale)
    draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour, outline="white")
    draw.text((x + 7, y - 6), text, fill="white", stroke_width=1, stroke_fill="black")


def _sheet(tiles: Sequence[Image.Image], columns: int, gap: int = 4) -> Image.Image:
    width, height = max(tile.width for tile in tiles) + gap, max(tile.height for tile in tiles) + gap
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width - gap, rows * height - gap), "white")
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * width, index // columns * height))
    return sheet


def _image(tensor: Tensor) -> Image.Image:
    """The first of (B, 3, H, W) in [-1, 1]."""
    pixels = ((tensor[0].float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())


def clicked(tile: Image.Image) -> list[Point]:
    """Points that the user clicks in a window, until it is closed."""
    try:
        import tkinter

        from PIL import ImageTk

        window = tkinter.Tk()
    except (ImportError, RuntimeError) as error:
        raise BadInput(f"no window can be opened here ({error}); list points instead: --points X,Y X,Y") from error
    except Exception as error:  # tkinter's own error exists only where tkinter does
        raise BadInput(f"no window can be opened here ({error}); list points instead: --points X,Y X,Y") from error
    scale = max(1, -(-2 * SMALLEST_SIDE // min(tile.size)))
    shown = ImageTk.PhotoImage(tile.resize((tile.width * scale, tile.height * scale), Image.Resampling.NEAREST))
    window.title("Click points, then close the window")
    label = tkinter.Label(window, image=shown)
    label.pack()
    points: list[Point] = []
    label.bind("<Button-1>", lambda event: points.append((event.x // scale, event.y // scale)))
    window.mainloop()
    return points


def load(path: str) -> tuple[CoCosNet, Any]:
    """The translator and the data of a checkpoint of this project, in which the method is CoCosNet."""
    if not Path(path).is_file():
        raise BadInput(f"{path}: there is no such checkpoint")
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path} cannot be read as a checkpoint: it is none, or was cut off")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise BadInput(f"{path} cannot be read as a checkpoint: {str(error).splitlines()[0]}") from error
    config = checkpoint.get("config") if isinstance(checkpoint, dict) else None
    if not config or not config["model"]["_target_"].endswith("CoCosNet"):
        raise BadInput(f"{path} is no checkpoint of CoCosNet, which this command is for")
    translator = instantiate(config["model"], _convert_="all")
    translator.load_state_dict(checkpoint["state_dict"])
    return translator.eval(), instantiate(config["data"], _convert_="all")


def _item(data: Any, split: str, item: int) -> Batch:
    """One pair of a split, by its place in the order of evaluation."""
    data.prepare_data()
    data.setup("validate" if split == "val" else "test")
    seen = 0
    for raw in data.val_dataloader() if split == "val" else data.test_dataloader():
        batch = data.on_after_batch_transfer(raw, 0)
        if item < seen + batch.size:
            return batch.select([item - seen])
        seen += batch.size
    raise BadInput(f"the {split} split has {seen} pairs: --item is 0 to {seen - 1}")


def _point(text: str) -> Point:
    x, y = text.split(",")
    return int(x), int(y)


@exits_with_one_sentence
def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m lightning_modules.cocosnet.inspect", description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--item", type=int, default=0, help="which pair of the split")
    parser.add_argument(
        "--points", type=_point, nargs="+", metavar="X,Y", default=[], help="in pixels of the structure"
    )
    parser.add_argument("--click", action="store_true", help="choose points in a window")
    parser.add_argument("--out", default="correspondence.png")
    given = parser.parse_args(arguments)
    translator, data = load(given.checkpoint)
    batch = _item(data, given.split, given.item)
    points = [*given.points, *(clicked(_image(structure_picture(batch.target_structure))) if given.click else [])]
    if not points:
        height, width = batch.target_structure.shape[-2:]
        points = [(width * i // 4, height * j // 4) for j in (1, 2, 3) for i in (1, 2, 3)]
    looks = look(translator, batch, points)
    print(f"structure of {batch.target_key[0]}, exemplar {batch.source_key[0]}")
    print("point      looks at   on average      confidence")
    for found in looks:
        where, best = f"{found.point[0]},{found.point[1]}", f"{found.best[0]},{found.best[1]}"
        mean = f"{found.expected[0]:.1f},{found.expected[1]:.1f}"
        print(f"{where:10} {best:10} {mean:15} {found.confidence:.3f}")
    picture(translator, batch, looks).save(given.out)
    print(
        f"{given.out}: structure, exemplar, warp, translation; where each position looks, its colours, confidence, truth;"
    )
    print("then for each point how it spreads its look over the exemplar")


if __name__ == "__main__":
    main()
