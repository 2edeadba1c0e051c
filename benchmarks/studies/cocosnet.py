"""CoCosNet: does the correspondence find the right places of the body, without having been told any?

Two small models are trained with `train.py` (experiments quickstart_cocosnet and quickstart_cocosnet_faces), and measured on
people that they have not seen. Both know, as in the paper, only pictures and their structures: the dense truth of the replica
(body part and place on it of every pixel) is used to measure alone. Beside them stand

    untrained          the same networks as they are drawn
    same coordinates   every pixel looks at its own place
    pixels             the 3 x 3 neighbourhoods of colours of the true photo that are most alike: it sees what is asked for
    VGG19              the same with relu3_2, where torchvision's weights are on this machine

Where pictures are aligned, as those of CelebA-HQ are, the same coordinates are nearly right. So all are asked again for
exemplars of which a random part fills the picture, as in photographs that nobody has aligned.

An experiment that has been trained in `out` already is measured as it is, so that a report can be written again.
"""

from __future__ import annotations

import math
import pathlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandomResizedCrop
from torchvision.transforms.v2.functional import resized_crop

from callbacks.grids import grid
from datamodules.batch import Batch
from engine.applying import rebuild
from engine.build import build_translator
from engine.checkpoint import read
from engine.run_folder import RunFolder
from lightning_modules.cocosnet.correlation import Correlation
from lightning_modules.cocosnet.module import CoCosNet
from lightning_modules.losses.perceptual import VGG19
from metrics.correspondence import near_the_place, of_positions, right_part, same_coordinates, true_places
from metrics.image_quality import psnr, quantise, ssim
from metrics.style import colour_distance

MINUTES = 20
EXPERIMENTS = {"people": "quickstart_cocosnet", "faces": "quickstart_cocosnet_faces"}
ROOT = pathlib.Path(__file__).parents[2]
SHOWN = 6
"""Rows of a grid."""
TRAINED, UNTRAINED, SAME, PIXELS, VGG = "trained", "untrained", "same coordinates", "pixels of the true photo", "VGG19"
UNALIGNED = ", unaligned"
Values = dict[str, dict[str, float]]
"""Row -> measure -> its mean over the pairs that have it."""
Matcher = Callable[[Batch], Tensor]
"""A batch -> (B, 2, H, W) int64: x and y of the source's pixel that each pixel of the target looks at."""


def study(out: pathlib.Path, minutes: float) -> str:
    """Train both models, measure them, and write a grid of each. Returns the report in Markdown."""
    parts = ["# CoCosNet on replicas"]
    for name, experiment in EXPERIMENTS.items():
        checkpoint = _trained(RunFolder(out / name), experiment, minutes)
        parts.append(measured(checkpoint, out / f"{name}.png", f"{name.capitalize()} ({experiment})"))
    return "\n\n".join(parts) + "\n"


def _trained(folder: RunFolder, experiment: str, minutes: float) -> pathlib.Path:
    """The last checkpoint of an experiment that was trained for some minutes."""
    if not folder.last.is_file():
        seconds = round(minutes * 60)
        limit = f"trainer.max_time='{seconds // 86400:02}:{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}'"
        words = [f"experiment={experiment}", limit, "test=false", f"hydra.run.dir={folder.path.absolute()}"]
        subprocess.run([sys.executable, "train.py", *words], cwd=ROOT, check=True)
    return folder.last


def measured(checkpoint: pathlib.Path, picture: pathlib.Path, title: str) -> str:
    """The section of one checkpoint: what its correspondence and its translations are worth on the test split."""
    translator, data, config = rebuild(str(checkpoint), None, None, seed=0, averaged=True)
    assert isinstance(translator, CoCosNet)
    torch.manual_seed(0)
    untrained = build_translator(config).eval()
    assert isinstance(untrained, CoCosNet)
    data.prepare_data()
    data.setup("test")
    stride = translator.correspondence.stride
    matchers: dict[str, Matcher] = {
        TRAINED: lambda batch: _looked(translator, batch),
        UNTRAINED: lambda batch: _looked(untrained, batch),
        SAME: lambda batch: same_coordinates(*batch.target.shape[2:]).expand(batch.size, -1, -1, -1),
        PIXELS: lambda batch: _alike(F.avg_pool2d(batch.target, stride), F.avg_pool2d(batch.source, stride), stride),
    }
    vgg = _vgg()
    if vgg is not None:
        matchers[VGG] = lambda batch: _alike(vgg(batch.target, ("r32",))["r32"], vgg(batch.source, ("r32",))["r32"], 4)
    matches: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    images: dict[str, dict[str, list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    pairs = 0
    for batch in _batches(data):
        pairs += batch.size
        with torch.no_grad():
            for kind, asked in (("", batch), (UNALIGNED, unaligned(batch))):
                places = true_places(asked.truth)
                for name, matcher in matchers.items():
                    found = matcher(asked)
                    matches[name][f"right part{kind}"].append(right_part(found, asked.truth))
                    matches[name][f"within 10 %{kind}"].append(near_the_place(found, places))
            _, warp, translation = translator.look_and_translate(batch)
            others = {"of the untrained network": untrained.translate(batch), "copy of the exemplar": batch.source}
        shown = {"translation": translation, "warped exemplar": warp.image, **others, "truth": batch.target}
        for name, image in shown.items():
            for measure, values in _quality(image, batch).items():
                images[name][measure].append(values)
    examples = data.examples("test", SHOWN)
    with torch.no_grad():
        panels = translator.panels(examples)
    rows = [f"{source} -> {target}" for source, target in zip(examples.source_key, examples.target_key, strict=True)]
    Image.fromarray(grid(panels, rows)).save(picture)
    steps = int(read(str(checkpoint)).get("global_step", 0))
    looks, made = _means(matches), _means(images)
    return "\n".join(
        [
            f"## {title}",
            "",
            f"{steps} steps of {config['data']['batch_size']} pairs; {pairs} pairs of unseen people at "
            f"{config['data']['height']} x {config['data']['width']}. {' '.join(translator.caveats())}".rstrip(),
            "",
            "Where the pixels of the person look: at the body part that they show, and at most 10 % of the image's height "
            "beside their true place (of the pixels whose part, or place, the exemplar shows). Unaligned: a random part of the "
            "exemplar, of 60 to 90 % of its height, fills the picture.",
            "",
            *_table(looks),
            "",
            verdict(looks),
            "",
            "Images: against the truth, and how far the colours of each region are from the exemplar's (lower is better).",
            "",
            *_table(made),
            "",
            f"Grid: {picture.name}",
        ]
    )


def verdict(found: Values) -> str:
    """One sentence: what the trained correspondence beats, and what beats it."""
    better = [
        f"{name} ({measure})"
        for name, values in found.items()
        for measure, value in values.items()
        if name != TRAINED and not found[TRAINED][measure] > value
    ]
    return f"Not beaten: {', '.join(better)}." if better else "The trained correspondence beats all others in both."


def _batches(data: Any) -> Iterator[Batch]:
    for raw in data.test_dataloader():
        yield data.on_after_batch_transfer(raw, 0)


def unaligned(batch: Batch) -> Batch:
    """The same pairs with exemplars of which a random part fills the picture; which, is drawn by torch's generator."""
    pictures = {"source": batch.source, "source_structure": batch.source_structure}
    pictures |= {name: batch.truth[name] for name in ("source_part", "source_place")}
    cropped: dict[str, list[Tensor]] = {name: [] for name in pictures}
    proportions = batch.source.shape[3] / batch.source.shape[2]
    for row in range(batch.size):
        where = RandomResizedCrop.get_params(batch.source[row], scale=[0.6**2, 0.9**2], ratio=[proportions] * 2)
        for name, values in pictures.items():
            # Labels, parts and places have no values in between.
            how = InterpolationMode.BILINEAR if name == "source" else InterpolationMode.NEAREST_EXACT
            cropped[name].append(resized_crop(values[row], *where, list(values.shape[2:]), how))
    stacked = {name: torch.stack(values) for name, values in cropped.items()}
    truth = {**batch.truth, **{name: stacked.pop(name) for name in ("source_part", "source_place")}}
    return replace(batch, **stacked, truth=truth)


def _looked(translator: CoCosNet, batch: Batch) -> Tensor:
    """Where the network looks most."""
    match = translator.correspondence(batch.target_structure, batch.source, batch.source_structure)
    best = match.correlation.matches().best
    return of_positions(best, match.correlation.exemplar_size[1], translator.correspondence.stride)


def _alike(target: Tensor, source: Tensor, stride: int) -> Tensor:
    """The neighbourhoods of most similar features."""
    correlation = Correlation(target, source, window=3, centre="window", temperature=0.01)
    return of_positions(correlation.matches().best, source.shape[3], stride)


def _vgg() -> VGG19 | None:
    """VGG19 where its weights are on this machine; nothing is downloaded."""
    file = pathlib.Path(torch.hub.get_dir(), "checkpoints", "vgg19-dcbb9e9d.pth")
    if not file.is_file():
        return None
    network = VGG19(str(file))
    network.prepare()
    return network


def _quality(image: Tensor, batch: Batch) -> dict[str, Tensor]:
    """PSNR and SSIM against the truth, and the distance of colours to the exemplar."""
    made, true = quantise(image), quantise(batch.target)
    regions = batch.truth["target_part"], batch.truth["source_part"]
    exact = image is batch.target
    return {
        **({} if exact else {"PSNR": psnr(made, true), "SSIM": ssim(made, true)}),
        "colours from exemplar": colour_distance(image, regions[0], batch.source, regions[1]),
    }


def _means(collected: dict[str, dict[str, list[Tensor]]]) -> Values:
    return {
        name: {measure: float(torch.cat(values).double().nanmean()) for measure, values in measures.items()}
        for name, measures in collected.items()
    }


def _table(values: Values) -> list[str]:
    columns = list(dict.fromkeys(measure for measures in values.values() for measure in measures))
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name, measures in values.items():
        cells = [measures.get(column, math.nan) for column in columns]
        lines.append(f"| {name} | " + " | ".join("" if math.isnan(cell) else f"{cell:.3f}" for cell in cells) + " |")
    return lines
