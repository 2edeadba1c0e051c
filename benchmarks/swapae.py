"""What the swapping autoencoder's fast forms gain over the plain ones, each pair measured by turns in one run.

    python -m benchmarks.swapae                                        # the published 256x256 networks, two images
    python -m benchmarks.swapae --size 64 --capacity 0.125 --batch 8   # small ones

One row per comparison: seconds of the plain and of our form (medians, of processor time on a processor; forward and backward
unless it says decode), how much faster ours is, the largest difference between their results, and the peak memory of both where
that is compared. Results of G are compared in float64: in float32 an input of a leaky ReLU may be rounded to either side of
zero, and the gradients of that channel with it.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.measuring import Failed, device_name, in_its_own_process, peak_memory, reset_peak, spent
from lightning_modules.blocks.fir_resample import Resample, fir_kernel, resample
from lightning_modules.blocks.modulated_conv import SharedModulatedConv2d, Style
from lightning_modules.swapae import generator as generator_file
from lightning_modules.swapae.autoencoder import Codes
from lightning_modules.swapae.discriminator import Discriminator
from lightning_modules.swapae.editing import Region, region_style
from lightning_modules.swapae.generator import Generator
from lightning_modules.swapae.objectives import passed

Outcome = list[Tensor]
Run = Callable[[], Outcome]
"""Does the work once and returns what it made: images, gradients."""


@dataclass(frozen=True)
class Comparison:
    """Two ways to the same result."""

    name: str
    plain: Run
    ours: Run
    equal: bool = True
    """Whether both make the same; a region edit is no plain decode."""
    exact: Comparison | None = None
    """The same work in float64, for the difference; None: `plain` and `ours` themselves show it."""


@dataclass(frozen=True)
class Scale:
    """What is measured at."""

    size: int
    capacity: float
    batch: int
    regions: int
    device: str
    dtype: torch.dtype = torch.float32

    def generator(self) -> Generator:
        """G of that size; its noise is off, so that both forms make the same."""
        torch.manual_seed(0)
        return Generator(style_channels=self.style_channels, capacity=self.capacity).to(self.device, self.dtype)

    @property
    def style_channels(self) -> int:
        return max(16, round(2048 * self.capacity))

    def codes(self) -> Codes:
        """Random codes."""
        cells = self.size // 16
        content = torch.randn(self.batch, 8, cells, cells, device=self.device)
        style = torch.randn(self.batch, self.style_channels, device=self.device)
        return Codes(content.to(self.dtype), style.to(self.dtype), self.size, self.size)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="of the images, a multiple of 16")
    parser.add_argument("--capacity", type=float, default=1.0, help="factor on the networks' widths")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--regions", type=int, default=3, help="of a region edit")
    parser.add_argument("--repeats", type=int, default=5, help="of each form, after one that is not counted")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--memory-of", choices=("plain", "ours"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.size < 32 or given.size % 16:
        parser.error(f"--size {given.size} must be a multiple of 16 and at least 32")
    scale = Scale(given.size, given.capacity, given.batch, given.regions, given.device)
    if given.memory_of:
        print(json.dumps(_memory(getattr(modulation(scale), given.memory_of), scale.device)))
        return
    rows = [_measured(compared, given.repeats, scale.device) for compared in comparisons(scale)]
    memory = {form: _in_its_own_process(form) for form in ("plain", "ours")}
    _show(rows, memory, scale)


# What is compared


def comparisons(scale: Scale) -> list[Comparison]:
    """All of them."""
    return [modulation(scale), *resampling(scale), discriminating(scale), editing(scale)]


class RepeatedWeights(SharedModulatedConv2d):
    """The same layer with the weight repeated for each sample and one group of channels for each, as the official code has it."""

    def forward(self, x: Tensor, style: Style) -> Tensor:
        batch, channels = x.shape[:2]
        weight = self.shared_weight()[None].repeat(batch, 1, 1, 1, 1)
        grouped = (x * self.scales(style, *x.shape[2:])).reshape(1, batch * channels, *x.shape[2:])
        if self.resampling == "up":
            kernel = weight.transpose(1, 2).flatten(0, 1)
            y = F.conv_transpose2d(grouped, kernel, stride=2, groups=batch)
            return self.blur(y.unflatten(1, (batch, -1))[0])
        y = F.conv2d(grouped, weight.flatten(0, 1), padding=self.padding, groups=batch)
        return y.unflatten(1, (batch, -1))[0]


def with_repeated_weights(generator: Generator) -> Generator:
    """A copy of a generator whose modulated convolutions repeat their weights, for `channel_by_channel`."""
    made = copy.deepcopy(generator)
    for layer in made.modules():
        if isinstance(layer, SharedModulatedConv2d):
            layer.__class__ = RepeatedWeights
    return made


def channel_by_channel(run: Run) -> Run:
    """The same work with maps that lie in memory channel by channel, as the official code has them."""

    def laid_out() -> Outcome:
        with patch.object(generator_file, "channels_together", lambda x: x):
            return run()

    return laid_out


def modulation(scale: Scale) -> Comparison:
    """G forward and backward."""
    exact = None if scale.dtype == torch.float64 else modulation(replace(scale, dtype=torch.float64))
    generator, codes = scale.generator(), scale.codes()

    def run(network: Generator) -> Outcome:
        network.zero_grad(set_to_none=True)
        image = network(codes.content, codes.style, "none")
        image.square().mean().backward()
        return [image.detach(), *_gradients(network)]

    repeated = with_repeated_weights(generator)
    return Comparison(
        "G: shared weight (plain: repeated grouped weights)",
        channel_by_channel(lambda: run(repeated)),
        lambda: run(generator),
        exact=exact,
    )


def resampling(scale: Scale) -> list[Comparison]:
    """Doubling, blurring, halving and the skip's halving of a map as they occur near the image's size."""
    channels = max(1, round(128 * scale.capacity))
    size = scale.size
    made = []
    for name, side, settings in (
        ("blur after doubling", size + 1, {"padding": (1, 1)}),
        ("doubling", size // 2, {"up": 2, "padding": (2, 1)}),
        ("halving", size, {"down": 2, "padding": (1, 1)}),
    ):
        x = torch.randn(scale.batch, channels, side, side, device=scale.device, requires_grad=True)
        kernel = fir_kernel((1, 3, 3, 1)).to(scale.device)
        made.append(
            Comparison(
                f"{name} (plain: zero insertion, one channel at a time)",
                _with_gradient(zero_insertion, x, kernel, settings),
                _with_gradient(resample, x, kernel, settings),
            )
        )
    x = torch.randn(scale.batch, channels, size, size, device=scale.device, requires_grad=True)
    everywhere, kept = (
        Resample((1, 3, 3, 1), down=down, padding=(1, 1)).to(scale.device) for down in (1, 2)
    )  # a 1x1 convolution follows
    made.append(
        Comparison(
            "skip's blur where it keeps (plain: everywhere)",
            _with_gradient(lambda x: everywhere(x)[..., ::2, ::2], x),
            _with_gradient(kept, x),
        )
    )
    return made


def zero_insertion(x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """`fir_resample.resample` as its definition says."""
    batch, channels, height, width = x.shape
    filled = x.new_zeros(batch, channels, height, up, width, up)
    filled[:, :, :, 0, :, 0] = x
    filled = F.pad(filled.view(batch * channels, 1, height * up, width * up), (*padding, *padding))
    y = F.conv2d(filled, torch.outer(kernel, kernel).flip(0, 1)[None, None])
    return y.unflatten(0, (batch, channels)).squeeze(2)[..., ::down, ::down]


def discriminating(scale: Scale) -> Comparison:
    """D on real images, reconstructions and swaps."""
    torch.manual_seed(0)
    judge = Discriminator(scale.size, scale.size, scale.capacity, max(8, round(512 * scale.capacity))).to(scale.device)
    batches = [
        torch.randn(count, 3, scale.size, scale.size, device=scale.device)
        for count in (scale.batch, (scale.batch + 1) // 2, scale.batch)
    ]

    def run(together: bool | None) -> Outcome:
        judge.zero_grad(set_to_none=True)
        sum(F.softplus(logits).mean() for logits in passed(judge, *batches, together=together)).backward()  # type: ignore[union-attr]
        return _gradients(judge)

    # On a processor ours is the separate passes, on a GPU the one: the other is the plain form.
    chosen = scale.device != "cpu"
    names = {True: "one pass", False: "separate passes"}
    return Comparison(f"D: {names[chosen]} (plain: {names[not chosen]})", lambda: run(not chosen), lambda: run(chosen))


def editing(scale: Scale) -> Comparison:
    """A region edit with several regions beside a plain decode."""
    generator, codes = scale.generator(), scale.codes()
    masks = torch.rand(scale.regions, scale.batch, 1, scale.size, scale.size, device=scale.device)
    regions = [Region(mask, torch.randn_like(codes.style)) for mask in masks]

    @torch.inference_mode()
    def decode() -> Outcome:
        return [generator(codes.content, codes.style, "none")]

    @torch.inference_mode()
    def edit() -> Outcome:
        return [generator(codes.content, region_style(codes.style, regions), "none")]

    return Comparison(f"decode with {scale.regions} regions (plain: with one style)", decode, edit, equal=False)


def _with_gradient(function: Callable[..., Tensor], x: Tensor, *rest: Any) -> Run:
    *arguments, settings = rest if rest and isinstance(rest[-1], dict) else (*rest, {})

    def run() -> Outcome:
        x.grad = None
        y = function(x, *arguments, **settings)
        y.square().sum().backward()
        assert x.grad is not None
        return [y.detach(), x.grad]

    return run


def _gradients(network: nn.Module) -> Outcome:
    return [p.grad.clone() for p in network.parameters() if p.grad is not None]


# How it is measured


def _measured(compared: Comparison, repeats: int, device: str) -> dict[str, Any]:
    """Both forms by turns, so that a busy machine slows both."""
    plain, ours = compared.plain(), compared.ours()
    if compared.exact is not None:
        plain, ours = compared.exact.plain(), compared.exact.ours()
    difference = largest_difference(plain, ours) if compared.equal else None
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for repeat in range(repeats):
        for form in ("plain", "ours") if repeat % 2 == 0 else ("ours", "plain"):
            start = spent(device)
            getattr(compared, form)()
            times[form].append(spent(device) - start)
    medians = {form: statistics.median(found) for form, found in times.items()}
    return {"name": compared.name, **medians, "difference": difference}


def largest_difference(ones: Outcome, others: Outcome) -> float:
    """The largest difference between two outcomes, as a part of the largest number in each of their tensors."""
    return max(
        float((one - other).abs().max() / one.abs().max().clamp_min(1e-12))
        for one, other in zip(ones, others, strict=True)
    )


def _memory(run: Run, device: str) -> float:
    """GiB that the work takes at its peak, beside what was there before."""
    before = reset_peak(device)
    run()
    return peak_memory(device) - before


def _in_its_own_process(form: str) -> float:
    try:
        return float(in_its_own_process("benchmarks.swapae", [*sys.argv[1:], "--memory-of", form]))
    except Failed as error:
        sys.exit(str(error))


def _show(rows: list[dict[str, Any]], memory: dict[str, float], scale: Scale) -> None:
    table = Table(
        title=f"{scale.size}x{scale.size}, capacity {scale.capacity:g}, batch {scale.batch}, {device_name(scale.device)}"
    )
    for column in ("what", "plain s", "ours s", "faster", "largest difference", "peak GiB, plain -> ours"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in rows:
        table.add_row(
            row["name"], f"{row['plain']:.4f}", f"{row['ours']:.4f}", f"{row['plain'] / row['ours']:.2f}x",
            "" if row["difference"] is None else f"{row['difference']:.1e}",
            f"{memory['plain']:.2f} -> {memory['ours']:.2f}" if row is rows[0] else "",
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
