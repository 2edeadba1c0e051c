"""Pictures of what a method makes of the same few items, as it learns."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from callbacks.ema import averaged
from datamodules.batch import Batch
from lightning_modules.translator import Translator, keyed_randomness
from metrics.image_quality import quantise

log = logging.getLogger(__name__)

GAP = 4
HEADER = 22
FOOTER = 15
SMALLEST_CELL = 112


class SampleGrid(pl.Callback):
    """`<run>/samples/<step>.png`: a row per item, a column per panel of the method, and which files each row is from.

    The items are spread evenly over the validation split and are the same every time; noise starts from one fixed seed
    every time, and the randomness of training does not notice. Where the run keeps averaged networks, these are shown.
    All processes make the panels, since a method's networks may be spread over them; one writes the file.
    """

    def __init__(self, items: int = 6, every_n_epochs: int = 1, at_start: bool = True, seed: int = 0) -> None:
        """
        Args:
            items: rows.
            every_n_epochs: a grid at the validations of every n-th epoch (all of them within that epoch).
            at_start: also one before the first step, so that a fault in making images shows at once.
            seed: of the noise.
        """
        self.items = items
        self.every_n_epochs = every_n_epochs
        self.at_start = at_start
        self.seed = seed
        self._batches: dict[str, Batch] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._batches = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.at_start and trainer.global_step == 0:
            self._make(trainer, pl_module, "val", f"{0:07d}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if trainer.state.fn == "fit" and due and not trainer.sanity_checking:
            self._make(trainer, pl_module, "val", f"{trainer.global_step:07d}")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        split = getattr(trainer.datamodule, "test_split", "test")  # type: ignore[attr-defined]
        self._make(trainer, pl_module, split, split)

    def _make(self, trainer: pl.Trainer, pl_module: pl.LightningModule, split: str, stem: str) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if data is None:
            return
        if split not in self._batches:
            self._batches[split] = data.examples(split, self.items)
        batch = self._batches[split].to(pl_module.device)
        assert isinstance(pl_module, Translator)
        panels = panels_of(trainer, pl_module, batch, self.seed)
        if not trainer.is_global_zero:
            return
        rows = [f"{source} -> {target}" for source, target in zip(batch.source_key, batch.target_key, strict=True)]
        picture = grid(panels, rows)
        file = pathlib.Path(trainer.default_root_dir) / "samples" / f"{stem}.png"
        save(picture, file)
        for logger in trainer.loggers:
            if hasattr(logger, "log_picture"):
                logger.log_picture(f"samples/{split}", picture, trainer.global_step)


@torch.no_grad()
def panels_of(trainer: pl.Trainer, pl_module: Translator, batch: Batch, seed: int) -> dict[str, Tensor]:
    """A method's panels, with its averaged networks, in evaluation mode, at the trainer's precision, with fixed noise."""
    modes = {module: module.training for module in pl_module.modules()}
    pl_module.eval()
    try:
        with averaged(trainer, pl_module), keyed_randomness(seed, "grid"), trainer.precision_plugin.val_step_context():
            return {title: panel.detach().float() for title, panel in pl_module.panels(batch).items()}
    finally:
        for module, training in modes.items():
            module.training = training


def grid(panels: dict[str, Tensor], rows: Sequence[str]) -> NDArray[np.uint8]:
    """One picture of named panels, titles above, the rows' names below each row.

    Args:
        panels: title -> (B, 3, H, W) in [-1, 1]; panels may differ in size, all are shown at the largest.
        rows: B names.

    Returns:
        (H', W', 3) uint8. Small images are enlarged by a whole factor, without smoothing.

    Raises:
        ValueError: a panel is not (B, 3, H, W).
    """
    for title, panel in panels.items():
        if panel.ndim != 4 or panel.shape[:2] != (len(rows), 3):
            raise ValueError(f"Panel {title!r} must be ({len(rows)}, 3, H, W), not {tuple(panel.shape)}.")
    height = max(panel.shape[2] for panel in panels.values())
    width = max(panel.shape[3] for panel in panels.values())
    factor = max(1, -(-SMALLEST_CELL // width))
    height, width = height * factor, width * factor
    canvas = Image.new(
        "RGB",
        (len(panels) * (width + GAP) + GAP, HEADER + len(rows) * (height + FOOTER)),
        color=(255, 255, 255),
    )
    draw = ImageDraw.Draw(canvas)
    title_font, row_font = ImageFont.load_default(13), ImageFont.load_default(10)
    for column, (title, panel) in enumerate(panels.items()):
        left = GAP + column * (width + GAP)
        text = _shortened(title, title_font, width)
        draw.text((left + (width - title_font.getlength(text)) / 2, 3), text, fill=(0, 0, 0), font=title_font)
        images = F.interpolate(quantise(panel).float(), size=(height, width), mode="nearest")
        for row, image in enumerate(images.byte().permute(0, 2, 3, 1).cpu().numpy()):
            canvas.paste(Image.fromarray(image), (left, HEADER + row * (height + FOOTER)))
    for row, name in enumerate(rows):
        text = _shortened(name, row_font, canvas.width - 2 * GAP)
        draw.text((GAP, HEADER + row * (height + FOOTER) + height + 1), text, fill=(110, 110, 110), font=row_font)
    return np.asarray(canvas)


def _shortened(text: str, font: Any, width: float) -> str:
    """The text, or its beginning with dots, in at most `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."


def save(picture: NDArray[np.uint8], file: pathlib.Path) -> None:
    """Write a png, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    Image.fromarray(picture).save(partial, format="png")
    partial.replace(file)
