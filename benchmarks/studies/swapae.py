"""What code consistency and content alignment do to a small swapping autoencoder on faces of people it has not seen.

Three models are trained alike, on the same batches: plain, with code consistency, with content alignment too. A small
segmenter, trained on the same replica, says where the parts of a swapped face are.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.utils import make_grid, save_image

from benchmarks.claims import Claim, Column, comparison, verdict
from datamodules.batch import Batch
from datamodules.structures.face_parts import NUMBERINGS
from engine.applying import rebuild
from engine.checkpoint import read
from lightning_modules.swapae.autoencoder import Autoencoder, Codes
from lightning_modules.swapae.editing import Region, region_style
from metrics import weights
from metrics.image_quality import quantise, ssim
from metrics.lpips import load_lpips

MINUTES = 14.0
"""Of the first training, the one with both losses; the others get as many steps, and take less."""

VARIANTS = {
    "plain": ("model.code_consistency=false", "model.content_alignment=false"),
    "code consistency": ("model.code_consistency=true", "model.content_alignment=false"),
    "both losses": ("model.code_consistency=true", "model.content_alignment=true"),
}
PAIRS, SHOWN, CHUNK = 96, 6, 16
SEGMENTER_STEPS = 400
LEAST_PIXELS = 12
"""Parts smaller than this in an image have no colour worth comparing."""
LEAST_REGION = 0.05
"""Pairs whose region covers less of the image than this are left out of region edits."""
FAR = 8
"""Pixels: what lies further than this from a mask is far from it."""

PARTS: dict[str, tuple[str, ...]] = {
    "background": (),
    "skin": ("skin", "nose", "l_ear", "r_ear", "neck"),
    "eyes": ("l_eye", "r_eye", "l_brow", "r_brow", "eye_g"),
    "mouth": ("mouth", "u_lip", "l_lip"),
    "hair": ("hair",),
    "hat": ("hat",),
    "clothes": ("cloth", "neck_l", "ear_r"),
}
COLOURED = ("background", "skin", "hair", "clothes")
"""Parts that are large enough for statistics of their colours."""


def study(out: Path, minutes: float) -> str:
    """Train, measure, draw: returns the report as markdown and writes its grids into `out`.

    Args:
        out: holds a run per model; runs that are there and finished are not trained again.
        minutes: of the first training.
    """
    runs = trained(out, minutes)
    pairs = held_out(runs["plain"])
    segmenter, segmenting = trained_segmenter(runs["plain"], pairs, out / "segmenter.safetensors")
    truth = parts_of(pairs.target_structure)
    measured, pictures = {}, {}
    for name, run in runs.items():
        outputs = Outputs.of(autoencoder_of(run), pairs, regions_of(pairs))
        measured[name] = measures(outputs, pairs, segmenter)
        pictures[name] = outputs
    write_grids(out, pairs, pictures)
    return report(measured, references(pairs, segmenter, truth), run_facts(runs), segmenting)


# Training


def trained(out: Path, minutes: float) -> dict[str, Path]:
    """The runs' folders by variant; the costliest is trained first, by the clock, the others for as many steps."""
    steps: int | None = None
    runs: dict[str, Path] = {}
    for name in reversed(VARIANTS):
        run = runs[name] = out / name.replace(" ", "_")
        if not (run / "seconds.json").is_file():
            limit = f"trainer.max_time={_clock(minutes)}" if steps is None else f"trainer.max_steps={steps}"
            free = "trainer.max_steps=-1" if steps is None else "trainer.max_time=null"
            start = time.monotonic()
            # No validation: the end of training is what is compared.
            command = [
                sys.executable, "train.py", "experiment=quickstart_swapae", f"hydra.run.dir={run}", *VARIANTS[name], limit,
                free, "test=false", "trainer.limit_val_batches=0",
            ]  # fmt: skip
            subprocess.run(command, check=True)
            (run / "seconds.json").write_text(json.dumps(time.monotonic() - start))
        steps = int(read(run / "checkpoints" / "last.ckpt")["global_step"])
    return {name: runs[name] for name in VARIANTS}


def _clock(minutes: float) -> str:
    """Minutes as days:hours:minutes:seconds, in quotes for Hydra."""
    seconds = max(1, round(minutes * 60))
    return f'"00:{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"'


def run_facts(runs: dict[str, Path]) -> dict[str, Any]:
    """How long the models were trained."""
    checkpoint = read(runs["plain"] / "checkpoints" / "last.ckpt")
    return {
        "steps": int(checkpoint["global_step"]),
        "batch": checkpoint["config"]["data"]["batch_size"],
        "minutes": {name: json.loads((run / "seconds.json").read_text()) / 60 for name, run in runs.items()},
    }


def autoencoder_of(run: Path) -> Autoencoder:
    """The averaged networks of a run."""
    translator, _, _ = rebuild(str(run / "checkpoints" / "last.ckpt"), None, None, seed=0, averaged=True)
    return translator.autoencoder  # type: ignore[attr-defined, no-any-return]


# The faces that are measured


def _data(run: Path, split: str) -> Any:
    """The run's data with label maps as structures."""
    labels = {
        "structure": "labels",
        "structure_channels": len(NUMBERINGS["official"]) + 1,
        "batch_size": 16,
    }
    _, data, _ = rebuild(str(run / "checkpoints" / "last.ckpt"), None, labels, seed=0, averaged=True)
    data.prepare_data()
    data.setup(split)
    return data


def held_out(run: Path) -> Batch:
    """Pairs of test images: `target` gives the structure (A), `source` the style (B)."""
    return _data(run, "test").examples("test", PAIRS)


def parts_of(labels: Tensor) -> Tensor:
    """One-hot label maps (B, 19, H, W) -> (B, H, W), numbers of `PARTS`."""
    group = torch.zeros(labels.shape[1], dtype=torch.long)
    for number, names in enumerate(PARTS.values()):
        for name in names:
            group[1 + NUMBERINGS["official"].index(name)] = number
    return group[labels.argmax(1)]


def regions_of(pairs: Batch) -> Tensor:
    """The regions that are edited, (B, 1, H, W): A's hair."""
    return (parts_of(pairs.target_structure) == list(PARTS).index("hair"))[:, None].float()


# The segmenter


class Segmenter(nn.Module):
    """Image -> logits of the parts: a small U-Net."""

    def __init__(self, widths: Sequence[int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        self.down = nn.ModuleList(_convs(a, b) for a, b in itertools.pairwise((3, *widths)))
        self.up = nn.ModuleList(_convs(a + b, a) for a, b in itertools.pairwise(widths))
        self.head = nn.Conv2d(widths[0], len(PARTS), 1)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, parts, H, W)."""
        features: list[Tensor] = []
        x = image
        for convs in self.down:
            x = convs(F.avg_pool2d(x, 2) if features else x)
            features.append(x)
        for convs, beside in zip(reversed(self.up), reversed(features[:-1]), strict=True):
            x = convs(torch.cat([beside, F.interpolate(x, scale_factor=2)], dim=1))
        return self.head(x)

    @torch.inference_mode()
    def parts(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H, W), numbers of `PARTS`."""
        return torch.cat([self(some).argmax(1) for some in images.split(CHUNK)])


def _convs(in_channels: int, out_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.GroupNorm(4, out_channels), nn.SiLU()]
    return nn.Sequential(*layers)


def trained_segmenter(run: Path, pairs: Batch, file: Path) -> tuple[Segmenter, str]:
    """A segmenter trained on the replica's training faces, and a sentence about it; read from the file if it is there."""
    torch.manual_seed(0)
    segmenter = Segmenter()
    if file.is_file():
        segmenter.load_state_dict(load_file(file))
    else:
        _train_segmenter(segmenter, run)
        save_file(segmenter.state_dict(), file)
    segmenter.eval()
    agreement = part_agreement(segmenter.parts(pairs.target), parts_of(pairs.target_structure)).mean()
    sentence = (
        f"The segmenter, a U-Net of {sum(p.numel() for p in segmenter.parameters()):,} weights, was trained for "
        f"{SEGMENTER_STEPS} steps on the replica's training faces, their colours changed at random and blurred, so that it "
        f"looks at shapes and bears soft images; on the held-out faces themselves its mean IoU is {agreement:.3f}."
    )
    return segmenter, sentence


def _train_segmenter(segmenter: Segmenter, run: Path) -> None:
    optimizer = torch.optim.Adam(segmenter.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=SEGMENTER_STEPS)
    for _, (image, part) in zip(range(SEGMENTER_STEPS), _labelled(run), strict=False):
        loss = F.cross_entropy(segmenter(_disguised(image)), part)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _labelled(run: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """Training faces with their parts, in batches, without end."""
    data = _data(run, "fit")
    while True:
        for raw in data.train_dataloader():
            batch = data.finished(raw)
            yield batch.source, parts_of(batch.source_structure)


def _disguised(image: Tensor) -> Tensor:
    """Images with other colours, contrasts and sharpness."""
    count = len(image)
    mixing = torch.eye(3) + 0.2 * torch.randn(count, 3, 3)
    image = torch.einsum("bij,bjhw->bihw", mixing, image) + 0.2 * torch.randn(count, 3, 1, 1)
    soft = F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    image = torch.lerp(image, soft, torch.rand(count, 1, 1, 1))
    return (image + 0.05 * torch.randn_like(image)).clamp(-1, 1)


# What the models make


@dataclass(frozen=True)
class Outputs:
    """All images that a model makes of the pairs, (B, 3, H, W) in [-1, 1], and how it takes its swaps apart again."""

    reconstruction: Tensor
    swap: Tensor
    edit: Tensor
    """A with B's style inside of the region only."""
    region: Tensor
    content_error: Tensor
    """(B,): L1(C_g, C_A) / L1(C_B, C_A): 0 is perfect, 1 no better than another face's code."""
    style_error: Tensor
    """(B,): L1(S_g, S_B) / L1(S_A, S_B)."""

    @classmethod
    @torch.inference_mode()
    def of(cls, autoencoder: Autoencoder, pairs: Batch, region: Tensor) -> Outputs:
        """The images of all pairs, a few at a time."""
        chunks = [
            _made(autoencoder, *some)
            for some in zip(pairs.target.split(CHUNK), pairs.source.split(CHUNK), region.split(CHUNK), strict=True)
        ]
        return cls(**{name: torch.cat([chunk[name] for chunk in chunks]) for name in chunks[0]})


def _made(autoencoder: Autoencoder, a: Tensor, b: Tensor, region: Tensor) -> dict[str, Tensor]:
    of_a, of_b = autoencoder.encode(a), autoencoder.encode(b)
    noise = autoencoder.fixed_noise(of_a)

    def decoded(style: Any) -> Tensor:
        return autoencoder.decode(of_a, style, noise).clamp(-1, 1)

    swap = decoded(of_b.style)
    of_swap: Codes = autoencoder.encode(swap)

    def error(got: Tensor, wanted: Tensor, unrelated: Tensor) -> Tensor:
        return (got - wanted).abs().flatten(1).mean(1) / (unrelated - wanted).abs().flatten(1).mean(1).clamp_min(1e-8)

    return {
        "reconstruction": decoded(of_a.style),
        "swap": swap,
        "edit": decoded(region_style(of_a.style, [Region(region, of_b.style)])),
        "region": region,
        "content_error": error(of_swap.content, of_a.content, of_b.content),
        "style_error": error(of_swap.style, of_b.style, of_a.style),
    }


# Measures, one value per pair; NaN where a pair says nothing


def measures(made: Outputs, pairs: Batch, segmenter: Segmenter) -> dict[str, Tensor]:
    """Every measure of a model, (B,) each."""
    a, b = pairs.target, pairs.source
    of_a, of_b = parts_of(pairs.target_structure), parts_of(pairs.source_structure)
    of_swap = segmenter.parts(made.swap)
    large = made.region.mean((1, 2, 3)) >= LEAST_REGION
    outside, far = 1 - made.region, 1 - _grown(made.region, FAR)

    inside_change = difference(made.edit, made.reconstruction, made.region)
    outside_change = difference(made.edit, made.reconstruction, outside)

    def where_large(values: Tensor) -> Tensor:
        return torch.where(large, values, torch.nan)

    return {
        "reconstruction_ssim": ssim(quantise(made.reconstruction), quantise(a)),
        **perceptual(made.reconstruction, a),
        "swap_parts": part_agreement(of_swap, of_a),
        "swap_style": style_distance(made.swap, of_swap, b, of_b),
        "content_error": made.content_error,
        "style_error": made.style_error,
        "edit_inside": where_large(inside_change),
        "edit_outside": where_large(outside_change),
        "edit_leak": where_large(outside_change / inside_change.clamp_min(1e-8)),
        "edit_far": where_large(difference(made.edit, made.reconstruction, far)),
        "edit_outside_to_a": where_large(difference(made.edit, a, outside)),
        "edit_inside_to_swap": where_large(difference(made.edit, made.swap, made.region)),
        "swap_outside": where_large(difference(made.swap, made.reconstruction, outside)),
    }


def references(pairs: Batch, segmenter: Segmenter, truth: Tensor) -> dict[str, Tensor]:
    """What one would measure without any model: of A itself taken for the swap, and of B itself."""
    of_b = parts_of(pairs.source_structure)
    return {
        "parts of A itself": part_agreement(segmenter.parts(pairs.target), truth),
        "parts of B itself": part_agreement(segmenter.parts(pairs.source), truth),
        "style of A itself": style_distance(pairs.target, truth, pairs.source, of_b),
    }


def perceptual(images: Tensor, originals: Tensor) -> dict[str, Tensor]:
    """LPIPS, where AlexNet's weights are on this machine."""
    path = weights.find(weights.ALEXNET, None, "")
    if path is None:
        return {}
    network = load_lpips(path)
    # AlexNet's strides leave nothing of 64 pixels.
    enlarged = (F.interpolate(x, scale_factor=2, mode="bilinear") for x in (images, originals))
    return {
        "reconstruction_lpips": torch.cat([network(*some) for some in zip(*(x.split(CHUNK) for x in enlarged), strict=True)])
    }  # fmt: skip


def part_agreement(found: Tensor, truth: Tensor) -> Tensor:
    """Mean over the parts of `truth` (B, H, W) of their intersection over union with those that were found: (B,)."""
    present, found_here = (F.one_hot(x, len(PARTS)).flatten(1, 2).bool() for x in (truth, found))
    both = (present & found_here).sum(1).double()
    either = (present | found_here).sum(1).double()
    counts = present.sum(1) >= LEAST_PIXELS
    return torch.where(counts, both / either.clamp_min(1), 0).sum(1) / counts.sum(1)


def style_distance(image: Tensor, parts: Tensor, style: Tensor, style_parts: Tensor) -> Tensor:
    """How far the colours of each part are from those of the style image's: (B,).

    Mean absolute difference of the channels' means and standard deviations, on values in [0, 1], over the parts of
    `COLOURED` that both images show.
    """
    total, count = torch.zeros(len(image)), torch.zeros(len(image))
    for name in COLOURED:
        here, there = (x == list(PARTS).index(name) for x in (parts, style_parts))
        known = (here.sum((1, 2)) >= LEAST_PIXELS) & (there.sum((1, 2)) >= LEAST_PIXELS)
        distance = (_colours(image, here) - _colours(style, there)).abs().mean(1)
        total += torch.where(known, distance, 0)
        count += known
    return total / count


def _colours(image: Tensor, where: Tensor) -> Tensor:
    """(B, 6): mean and standard deviation of each channel, in [0, 1]."""
    weight = where[:, None].float()
    area = weight.sum((2, 3)).clamp_min(1)
    mean = (image * weight).sum((2, 3)) / area
    variance = ((image - mean[..., None, None]).square() * weight).sum((2, 3)) / area
    return torch.cat([mean, variance.sqrt()], dim=1) / 2


def difference(image: Tensor, other: Tensor, where: Tensor) -> Tensor:
    """Mean absolute difference where `where` (B, 1, H, W) is 1, on values in [0, 1]: (B,)."""
    area = where.sum((1, 2, 3))
    change = ((image - other).abs() * where).sum((1, 2, 3)) / (2 * 3 * area.clamp_min(1))
    return torch.where(area > 0, change, torch.nan)


def _grown(mask: Tensor, pixels: int) -> Tensor:
    return F.max_pool2d(mask, 2 * pixels + 1, stride=1, padding=pixels)


# The report


COLUMNS = (
    Column("reconstruction_ssim", "reconstruction: SSIM", higher=True),
    Column("reconstruction_lpips", "reconstruction: LPIPS", higher=False),
    Column("swap_parts", "swap: part agreement with A (mean IoU)", higher=True),
    Column("swap_style", "swap: distance of the parts' colours to B", higher=False),
    Column("content_error", "swap: content code's error, of an unrelated face's", higher=False),
    Column("style_error", "swap: style code's error, of the unswapped", higher=False),
    Column("edit_inside", "region edit: change inside the mask", higher=True),
    Column("edit_outside", "region edit: change outside the mask", higher=False),
    Column("edit_leak", "region edit: change outside, of that inside", higher=False),
    Column("edit_far", f"region edit: change further than {FAR} pixels from it", higher=False),
    Column("edit_outside_to_a", "region edit: distance to A outside the mask", higher=False),
    Column("edit_inside_to_swap", "region edit: distance to the whole swap inside the mask", higher=False),
)
CLAIMS = (
    Claim("Code consistency makes what a swap was made of readable from it", "plain", "code consistency",
          ("content_error", "style_error")),
    Claim("Code consistency keeps the structure in swaps", "plain", "code consistency", ("swap_parts",)),
    Claim("Code consistency does so without taking less of the style", "plain", "code consistency", ("swap_style",), keeps=True),
    Claim("Content alignment keeps what lies outside a mask as it is", "code consistency", "both losses",
          ("edit_outside", "edit_far", "edit_leak", "edit_outside_to_a")),
    Claim("Content alignment makes the inside of a mask that of the whole swap", "code consistency", "both losses",
          ("edit_inside_to_swap",)),
)  # fmt: skip


def report(
    measured: dict[str, dict[str, Tensor]], bounds: dict[str, Tensor], facts: dict[str, Any], segmenting: str
) -> str:
    """The study as markdown."""
    minutes = ", ".join(f"{name} {value:.1f}" for name, value in facts["minutes"].items())
    pairs = len(bounds["parts of A itself"])
    a, b, style = (float(value.nanmean()) for value in bounds.values())
    swapped = float(measured["plain"]["swap_outside"].nanmean())
    return "\n".join(
        [
            "# Swapping autoencoder: what code consistency and content alignment do",
            "",
            f"Three small models (`experiment=quickstart_swapae`, 64x64) after {facts['steps']:,} steps of {facts['batch']} "
            f"images each, {facts['steps'] * facts['batch']:,} images in the same order; minutes of training: {minutes}. One "
            f"training each: differences between seeds are not in these figures.",
            "",
            f"Measured on {pairs} pairs of the replica's test faces, people who are not in training: the structure of A, the "
            f"style of B. {segmenting} Colours are compared part by part. Codes are compared with those of an unrelated "
            f"face, so that codes that shrink together gain nothing. Region edits give A's hair the style of B. ± is the "
            f"standard error over pairs.",
            "",
            comparison(measured, COLUMNS),
            "",
            f"For comparison: part agreement with A is {a:.3f} for A itself and {b:.3f} for B itself; the colours of A itself "
            f"are {style:.3f} from B's; a whole swap of the plain model changes {swapped:.3f} outside the mask.",
            "",
            "## As the paper claims?",
            "",
            *(f"- {verdict(claim, measured, COLUMNS)}" for claim in CLAIMS),
            "",
            "![Reconstructions](reconstructions.png)",
            "![Swaps](swaps.png)",
            "![Region edits](region_edits.png)",
            "",
        ]
    )


def write_grids(out: Path, pairs: Batch, made: dict[str, Outputs]) -> None:
    """reconstructions.png (A and each model's), swaps.png (A, B, swaps), region_edits.png (A, B, mask, edits)."""
    large = [i for i, share in enumerate(made["plain"].region.mean((1, 2, 3)).tolist()) if share >= LEAST_REGION]
    mask = made["plain"].region.expand(-1, 3, -1, -1) * 2 - 1
    a, b = pairs.target, pairs.source
    _grid(out / "reconstructions.png", [a, *(m.reconstruction for m in made.values())], range(SHOWN))
    _grid(out / "swaps.png", [a, b, *(m.swap for m in made.values())], range(SHOWN))
    _grid(out / "region_edits.png", [a, b, mask, *(m.edit for m in made.values())], large[:SHOWN])


def _grid(path: Path, columns: Sequence[Tensor], rows: Sequence[int]) -> None:
    images = torch.stack([column[row] for row in rows for column in columns])
    enlarged = F.interpolate(images, scale_factor=2, mode="nearest")
    save_image(
        make_grid(enlarged, nrow=len(columns), padding=2, pad_value=1, normalize=True, value_range=(-1, 1)), path
    )
