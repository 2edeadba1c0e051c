"""Directions of style: the principal components of many style codes (arXiv 2007.00653, section 4.2).

    python -m lightning_modules.swapae.directions ckpt=runs/.../checkpoints/last.ckpt [out=directions components=10 images=5000]

takes the training images of the checkpoint (`data.root=...` and other settings of its data may be changed) and writes into the folder `out`: `directions.safetensors`, which `translate.py ... +options.directions=FILE +options.component=0 +options.shift=2` applies;
`directions.csv`, how much variance each component holds; `component_0.png`, ..., what each does to a few images.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torchvision.utils import save_image

from datamodules.bad_input import BadInput, exits_with_one_sentence, nearest
from lightning_modules.swapae.autoencoder import Autoencoder
from lightning_modules.swapae.encoder import Encoder
from lightning_modules.swapae.generator import Generator


@dataclass(frozen=True)
class Directions:
    """Axes of a cloud of style codes, the widest first."""

    mean: Tensor
    """(S,)"""
    axes: Tensor
    """(K, S), orthonormal."""
    deviations: Tensor
    """(K,): the standard deviation along each axis."""
    total: Tensor
    """(): the variance along all axes together."""

    @classmethod
    def of(cls, codes: Tensor, count: int = 10) -> Directions:
        """The principal components of style codes (N, S).

        Raises:
            BadInput: fewer than two codes.
        """
        if len(codes) < 2:
            raise BadInput(f"{len(codes)} style code has no directions: take at least two images, better some hundreds")
        codes = codes.detach().double().cpu()
        mean = codes.mean(0)
        _, spread, axes = torch.linalg.svd(codes - mean, full_matrices=False)
        variances = spread.square() / (len(codes) - 1)
        # An axis has no sign of its own: the largest entry is made positive, so that runs agree.
        axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
        count = min(count, len(codes) - 1, len(axes))
        return cls(
            mean.float(), axes[:count].float().contiguous(), variances[:count].sqrt().float(), variances.sum().float()
        )

    @property
    def explained(self) -> Tensor:
        """(K,): which part of all variance each axis holds."""
        return self.deviations.square() / self.total.clamp_min(1e-12)

    def shifted(self, style: Tensor, component: int, amount: float) -> Tensor:
        """Style codes (B, S), `amount` deviations further along a component.

        Raises:
            BadInput: there is no such component, or the codes are of another width.
        """
        if not 0 <= component < len(self.axes):
            raise BadInput(f"component={component}: there are {len(self.axes)} directions, 0 to {len(self.axes) - 1}")
        if style.shape[1] != self.axes.shape[1]:
            raise BadInput(
                f"the directions are of {self.axes.shape[1]} style channels, the model has {style.shape[1]}: "
                f"compute them with its own checkpoint"
            )
        return style + amount * (self.deviations[component] * self.axes[component]).to(style)

    def write(self, path: str | Path) -> None:
        """Into a safetensors file."""
        save_file({"mean": self.mean, "axes": self.axes, "deviations": self.deviations, "total": self.total}, path)

    @classmethod
    def read(cls, source: Directions | str | Path) -> Directions:
        """From a file that `write` wrote; what is read already is passed through.

        Raises:
            BadInput: no such file, or none of directions.
        """
        if isinstance(source, Directions):
            return source
        if not Path(source).is_file():
            raise BadInput(f"directions={source}: there is no such file")
        try:
            return cls(**load_file(source))
        except (SafetensorError, TypeError) as error:
            raise BadInput(f"directions={source} is no file of style directions: {error}") from error


@torch.inference_mode()
def style_codes(autoencoder: Autoencoder, pictures: Iterable[Tensor], limit: int) -> Tensor:
    """The style codes (N, S) of up to `limit` pictures, given in batches (B, 3, H, W) in [-1, 1]."""
    codes: list[Tensor] = []
    count = 0
    for images in pictures:
        codes.append(autoencoder.encode(images[: limit - count]).style.float().cpu())
        count += len(codes[-1])
        if count >= limit:
            break
    return torch.cat(codes)


@torch.inference_mode()
def direction_strips(
    autoencoder: Autoencoder, directions: Directions, images: Tensor, deviations: float = 3.0, steps: int = 5
) -> Tensor:
    """What each direction does to images (B, 3, H, W): (K, 3, B * H, steps * W), from -deviations to +deviations."""
    codes = autoencoder.encode(images)
    noise = autoencoder.fixed_noise(codes)
    amounts = torch.linspace(-deviations, deviations, steps).tolist()
    rows = [
        torch.cat([autoencoder.decode(codes, directions.shifted(codes.style, k, t), noise) for t in amounts], dim=3)
        for k in range(len(directions.axes))
    ]
    return torch.stack([torch.cat(list(row), dim=1) for row in rows])


def training_pictures(data: Any, train_on: str) -> Iterator[Tensor]:
    """What a model was trained on (`SwapAE.train_on`: targets, sources, or both of each pair), batch by batch, as training
    shows it in its first epoch."""
    data.prepare_data()
    data.setup("fit")
    sides = ("source", "target") if train_on == "both" else (train_on,)
    for raw in data.train_dataloader():
        batch = data.on_after_batch_transfer(raw, 0)
        for side in sides:
            yield getattr(batch, side)


def first_of(pictures: Iterable[Tensor], count: int) -> Tensor:
    """The first so many of pictures that come in batches (B, 3, H, W)."""
    found: list[Tensor] = []
    for images in pictures:
        found.append(images[: count - sum(map(len, found))])
        if sum(map(len, found)) == count:
            break
    return torch.cat(found)


SETTINGS = {
    "ckpt": None,
    "out": "directions",
    "components": 10,
    "images": 5000,
    "shown": 4,
    "deviations": 3.0,
    "steps": 5,
}
"""The command's settings and their defaults."""


@exits_with_one_sentence
def main(words: Sequence[str] | None = None) -> None:
    """The command: NAME=VALUE words, as the other commands take them."""
    # A command stands above the engine, which reads checkpoints; nothing else here knows of it.
    from engine.applying import rebuild

    given, data_settings = settings_of(sys.argv[1:] if words is None else words)
    out = Path(given["out"])
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise BadInput(f"out={out} exists already: choose another folder")
    translator, data, _ = rebuild(given["ckpt"], None, data_settings, seed=0, averaged=True)
    encoder, generator = getattr(translator, "encoder", None), getattr(translator, "generator", None)
    if not isinstance(encoder, Encoder) or not isinstance(generator, Generator):
        raise BadInput(
            f"{given['ckpt']} is of {type(translator).__name__}: only a swapping autoencoder has style codes"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    autoencoder = Autoencoder(encoder.to(device), generator.to(device))
    train_on = str(getattr(translator, "train_on", "target"))
    pictures = (images.to(device) for images in training_pictures(data, train_on))
    codes = style_codes(autoencoder, pictures, given["images"])
    directions = Directions.of(codes, given["components"])
    out.mkdir(parents=True, exist_ok=True)
    directions.write(out / "directions.safetensors")
    rows = [f"{k},{part:.5f}" for k, part in enumerate(directions.explained.tolist())]
    (out / "directions.csv").write_text("\n".join(["component,explained_variance", *rows]) + "\n", encoding="utf-8")
    images = first_of(training_pictures(data, train_on), given["shown"]).to(device)
    strips = direction_strips(autoencoder, directions, images, given["deviations"], given["steps"])
    for k, picture in enumerate(strips):
        save_image(picture, out / f"component_{k}.png", normalize=True, value_range=(-1, 1))
    print(f"{len(directions.axes)} directions of {len(codes)} style codes, with a strip for each, are in {out}")


def settings_of(words: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The command's settings, and those of the data that it changes, from NAME=VALUE and data.NAME=VALUE words.

    Raises:
        BadInput: an unknown name, a value that is no number, or no checkpoint.
    """
    given: dict[str, Any] = dict(SETTINGS)
    of_data: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.startswith("data."):
            of_data.append(word)
            continue
        if not equals or name not in SETTINGS:
            raise BadInput(
                f"{word!r}: say NAME=VALUE with one of {', '.join(SETTINGS)}, or data.NAME=VALUE.{nearest(name, SETTINGS)}"
            )
        kind: Callable[[str], Any] = str if SETTINGS[name] is None else type(SETTINGS[name])
        try:
            given[name] = kind(value)
        except ValueError as error:
            raise BadInput(f"{name}={value} must be a number") from error
        if kind is int and given[name] < 1:
            raise BadInput(f"{name}={value} must be at least 1")
    if given["ckpt"] is None:
        raise BadInput("ckpt=FILE is needed: a checkpoint of a swapping autoencoder")
    changed: Any = OmegaConf.to_container(OmegaConf.from_dotlist(of_data))
    return given, changed.get("data", {})


if __name__ == "__main__":
    main()
