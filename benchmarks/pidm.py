"""PIDM against the manner of the released code: guided sampling, bf16, few steps, training steps and their memory.

    python -m benchmarks.pidm                                        # small networks at 64 x 32
    python -m benchmarks.pidm --size paper --height 256 --width 256  # the paper's
    python -m benchmarks.pidm --only training --size paper --batch 2

Sampling, in one process and in turns; seconds are of processor time, on a GPU of the clock. Our sampler; the released code's
manner, which makes the predictions one after another and projects keys and values at every step; ours in bfloat16; and
DPM-Solver++ in few steps. `difference` is the largest between the images and ours, in [-1, 1]. Weights are random, so bf16's PSNR
is that of an untrained network: `--ckpt` takes a trained one.

Training, a process for each row, as peak memory is a process's: our step; the same with the share of parameters that the
released network never uses, and without fused attention; ours with activation checkpointing.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Failed, device_name, in_its_own_process, peak_memory, spent

if TYPE_CHECKING:
    from torch import Tensor

    from lightning_modules.pidm.diffusion import Level
    from lightning_modules.pidm.guidance import Guidance
    from lightning_modules.pidm.module import PIDM

STRUCTURE = 20
"""Channels of the pose maps."""
DEAD = 17_981_312 / 162_374_406
"""Parameters that the released network has and never uses, beside those that it uses."""
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "channels": 32, "multipliers": [1, 2, 4], "blocks": 1, "embedding_channels": 256, "attention_strides": [2, 4],
        "heads": 4, "patch": 2, "dropout": 0.0,
    },
    "paper": {},
}  # fmt: skip
TRAININGS = ("ours", "released manner", "checkpointing")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--only", choices=["sampling", "training"])
    parser.add_argument("--steps", type=int, default=50, help="of DDIM")
    parser.add_argument("--few", type=int, default=12, help="of DPM-Solver++")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8], help="images that are sampled at once")
    parser.add_argument("--batch", type=int, default=8, help="samples of a training step")
    parser.add_argument("--repeats", type=int, default=3, help="measurements, of which the median counts")
    parser.add_argument("--ckpt", help="a trained PIDM instead of random weights, for sampling")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_training_row(given.one, given.size, given.height, given.width, given.batch, given.repeats)))
        return
    console = Console(width=None if sys.stdout.isatty() else 120)
    if given.only != "training":
        console.print(sampling_table(given))
    if given.only != "sampling":
        console.print(training_table(given))


# Sampling


def sampling_table(given: argparse.Namespace) -> Table:
    """Seconds of an image batch in each manner, and how far the images are from ours."""
    model = _model(given.size) if given.ckpt is None else _trained(given.ckpt)
    if given.height % model.network.stride or given.width % model.network.stride:
        sys.exit(f"--height and --width must be multiples of {model.network.stride}: the released code takes no others")
    title = f"{given.steps}-step guided DDIM at {given.height} x {given.width}, {device_name()}"
    table = Table(title=title)
    for column in ("guidance", "batch", "manner", "seconds", "times as fast as the released", "difference", "PSNR"):
        table.add_column(column, justify="left" if column in ("guidance", "manner") else "right")
    for mode in ("source", "disentangled"):
        for count in given.batches:
            seconds, images = sampled(model, mode, count, given)
            for manner, found in seconds.items():
                difference = (images[manner] - images["ours"]).abs().max().item()
                faster = seconds["released manner"] / found
                table.add_row(
                    mode, str(count), manner, f"{found:.3f}", f"{faster:.2f}", f"{difference:.1e}",
                    _psnr(images[manner], images["ours"]),
                )  # fmt: skip
    return table


def sampled(
    model: PIDM, mode: Any, count: int, given: argparse.Namespace
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Median seconds and images by manner."""
    import torch

    from lightning_modules.pidm.denoiser import Denoiser
    from lightning_modules.pidm.guidance import Guidance
    from lightning_modules.pidm.samplers import Sampler, SeededNoise

    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)
    structure = torch.rand(count, model.network.structure_channels, given.height, given.width, generator=generator)
    source = (torch.rand(count, 3, given.height, given.width, generator=generator) * 2 - 1).to(device)
    structure = structure.to(device)
    guidance = Guidance(mode, pose=2.0, style=2.0)
    ddim = Sampler("ddim", given.steps, spacing="trailing", clip=True)

    def ours(sampler: Sampler) -> Tensor:
        with torch.inference_mode(), sampler.precision(device):
            denoise = Denoiser(model.network, model.diffusion, guidance, structure, model.network.texture(source))
            noise = SeededNoise(list(range(count)), device)
            return sampler.sample(denoise, noise.initial(given.height, given.width), noise).float().clamp(-1, 1)

    def released() -> Tensor:
        with torch.inference_mode():
            denoise = ReleasedManner(model, guidance, structure, source)
            noise = SeededNoise(list(range(count)), device)
            return ddim.sample(denoise, noise.initial(given.height, given.width), noise).clamp(-1, 1)

    few = replace(ddim, name="dpmpp_2m", steps=given.few, spacing="karras")
    manners: dict[str, Callable[[], Tensor]] = {
        "released manner": released,
        "ours": lambda: ours(ddim),
        "ours, bf16": lambda: ours(replace(ddim, bf16=True)),
        f"ours, {given.few} steps of dpmpp_2m": lambda: ours(few),
    }
    times: dict[str, list[float]] = {manner: [] for manner in manners}
    images: dict[str, Tensor] = {}
    for _ in range(given.repeats):
        for manner, make in manners.items():
            start = spent()
            images[manner] = make()
            times[manner].append(spent() - start)
    return {manner: statistics.median(found) for manner, found in times.items()}, images


class ReleasedManner:
    """A denoiser as the released code samples: a call for each prediction, keys and values projected in every one."""

    def __init__(self, model: PIDM, guidance: Guidance, structure: Tensor, source: Tensor) -> None:
        encoder = model.network.texture_encoder
        assert encoder is not None
        self.diffusion, self.network, self.guidance = model.diffusion, model.network, guidance
        self.structure = structure
        self.features = {given: encoder(source if given else source * 0) for given in (True, False)}

    def __call__(self, noisy: Tensor, level: Level) -> tuple[Tensor, Tensor | None]:
        predictions = {}
        for branch in self.guidance.weights():
            structure = self.structure if branch.pose else self.structure * 0
            texture = self.network.predictor.project(self.features[branch.source])
            t = noisy.new_full((len(noisy),), level.t)
            predictions[branch] = self.network(noisy, t, structure, texture)
        prediction, raw_variance = self.diffusion.split(self.guidance.combine(predictions))
        return prediction, None if raw_variance is None else raw_variance.clamp(-1, 1)


# Training


def training_table(given: argparse.Namespace) -> Table:
    """Seconds and peak memory of a training step, each in processes of its own, in turns."""
    rounds: dict[str, list[dict[str, Any]]] = {manner: [] for manner in TRAININGS}
    for _ in range(2):
        for manner in TRAININGS:
            rounds[manner].append(_in_its_own_process(manner, given))
    table = Table(title=f"A training step of {given.batch} at {given.height} x {given.width}, {device_name()}")
    for column in ("manner", "seconds", "of ours", "peak GiB", "of ours"):
        table.add_column(column, justify="left" if column == "manner" else "right")
    best = {m: {key: min(row[key] for row in rows) for key in ("seconds", "memory")} for m, rows in rounds.items()}
    for manner, row in best.items():
        table.add_row(
            manner, f"{row['seconds']:.3f}", f"{row['seconds'] / best['ours']['seconds']:.2f}",
            f"{row['memory']:.3f}", f"{row['memory'] / best['ours']['memory']:.2f}",
        )  # fmt: skip
    return table


def _in_its_own_process(manner: str, given: argparse.Namespace) -> dict[str, Any]:
    words = [f"--{name}={getattr(given, name)}" for name in ("size", "height", "width", "batch", "repeats")]
    try:
        return in_its_own_process("benchmarks.pidm", ["--one", manner, *words])
    except Failed as error:
        sys.exit(str(error))


def _training_row(manner: str, size: str, height: int, width: int, batch: int, repeats: int) -> dict[str, float]:
    """Median seconds of a step after the first two, and what it added to the memory of a process that does nothing, in GiB."""
    import torch
    from torch import nn
    from torch.nn.attention import SDPBackend, sdpa_kernel

    idle = peak_memory()
    model = _model(size, checkpointing=manner == "checkpointing").train()
    device = next(model.parameters()).device
    if manner == "released manner":
        used = sum(parameter.numel() for parameter in model.parameters())
        model.register_parameter("dead", nn.Parameter(torch.ones(round(DEAD * used), device=device)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    target, source = (torch.rand(batch, 3, height, width, device=device) * 2 - 1 for _ in range(2))
    structure = torch.rand(batch, STRUCTURE, height, width, device=device)
    times = []
    for _ in range(2 + repeats):
        start = spent()
        with sdpa_kernel(SDPBackend.MATH) if manner == "released manner" else nullcontext():
            t, noise = model.diffusion.draw_times(batch, device), torch.randn_like(target)
            noisy = model.diffusion.add_noise(target, t, noise)
            output = model.network(noisy, t, structure, model.network.texture(source))
            terms = model.diffusion.losses(output, target, noisy, t, noise)
            torch.stack([term.mean() for term in terms.values()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(spent() - start)
    return {"seconds": statistics.median(times[2:]), "memory": peak_memory() - idle}


# What both need


def _model(size: str, checkpointing: bool = False) -> PIDM:
    """With random values where layers start at zero, so that every branch matters."""
    import torch

    from lightning_modules.pidm.module import PIDM

    torch.manual_seed(0)
    model = PIDM(STRUCTURE, **SIZES[size], checkpointing=checkpointing)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _trained(ckpt: str) -> PIDM:
    import torch

    from engine.applying import rebuild

    model: Any = rebuild(ckpt, None, None, 0, averaged=True)[0]
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def _psnr(images: Tensor, others: Tensor) -> str:
    """In dB, of values in [-1, 1]."""
    mse = (images - others).square().mean().item()
    return f"{10 * math.log10(4 / mse):.1f}" if mse > 0 else "equal"


if __name__ == "__main__":
    main()
