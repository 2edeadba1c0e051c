"""The correspondence network: a structure map and an exemplar photo in, the exemplar warped to the structure out.

Both are brought into a shared space by an adaptor each, refined by shared residual blocks and compared position by
position (eq. 1-3 of the paper); the softmax of the comparison fetches pixels, patches, labels or features of the exemplar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.coordinates import coordinates_of
from lightning_modules.cocosnet.adaptor import STRIDES, DomainAdaptor
from lightning_modules.cocosnet.correlation import Correlation
from lightning_modules.cocosnet.similarity import GUARD
from lightning_modules.cocosnet.spade import HIDDEN
from lightning_modules.cocosnet.spectral import advance

STRUCTURE_NOISE = 0.1
"""Deviation of the noise on the entries of a structure map that are not zero (option `structure_noise`)."""
MASK_NOISE = 0.01
"""Deviation of the noise that stands for an exemplar's structure where that is not known."""


@dataclass(frozen=True)
class Match:
    """A structure and an exemplar in the shared space, and their correlation."""

    structure: Tensor
    """(B, C, h, w): x_S = F_A→S(structure), of length 1 at each position."""
    exemplar: Tensor
    """(B, C, h', w'): y_S = F_B→S(exemplar), of length 1 at each position."""
    truth: Tensor | None
    """(B, C, h, w): F_B→S(ground truth), of length 1 at each position; only when the ground truth was given."""
    correlation: Correlation


@dataclass(frozen=True)
class Warp:
    """What a correlation fetched. Fields that were not asked for are None. h = H / stride."""

    image: Tensor
    """(B, 3, H, W): the warped exemplar r, at full size."""
    mask: Tensor | None = None
    """(B, S, h, w): the exemplar's structure warped ('direct'), or the structure's own gone there and back ('cycle')."""
    cycle: Tensor | None = None
    """(B, 3, h', w') or (B, 3, H', W') for patches: the warped exemplar brought back to the exemplar."""
    truth_at_exemplar: Tensor | None = None
    """(B, 3, h', w'): the ground truth warped to the exemplar."""
    truth_cycle: Tensor | None = None
    """(B, 3, h, w): and brought back again."""


class CorrespondenceNetwork(nn.Module):
    """Finds, for every position of a structure map, where in an exemplar photo its appearance is to be fetched."""

    def __init__(
        self,
        structure_channels: int,
        *,
        width: int = 64,
        stride: int = 4,
        adaptor_kernel: int = 3,
        norm: Literal["position", "batch", "instance"] = "position",
        hidden: int = HIDDEN,
        excitation: bool = False,
        non_local: bool = False,
        deeper: bool = False,
        dilated: bool = False,
        coordinates: bool = False,
        mask_mixing: bool = True,
        structure_noise: bool = False,
        window: int = 3,
        centre: Literal["window", "positions"] = "window",
        temperature: float = 0.01,
        fetch: Literal["pixels", "patches"] = "pixels",
        upsampling: Literal["nearest", "bilinear"] = "nearest",
        recompute: bool = False,
    ) -> None:
        """
        Args:
            structure_channels: of the structure map (semantic_nc).
            width: of the adaptors' first layers; features have 4 · width channels. Published: 64.
            stride: of the features, 1, 2 or 4; 4 compares a 256 x 256 image at 64 x 64, 1 at every pixel.
            adaptor_kernel: of the adaptors' halving convolutions: 3, or 4 as in three of the released checkpoints.
            norm, hidden, excitation, non_local, deeper, dilated, recompute: of the adaptors, see `DomainAdaptor`.
            coordinates: append x, y and the distance from the centre to the features (coordconv).
            mask_mixing: append the structure maps to the features (maskmix).
            structure_noise: noise on the structure's entries that are not zero, before its adaptor (mask_noise).
            window: side of the compared neighbourhoods (match_kernel).
            centre: how features are centred before the comparison, see `Correlation`; 'window' is PONO_C.
            temperature: τ of the softmax; the paper's α is 1/τ.
            fetch: average-pooled pixels, or whole patches of stride x stride pixels (warp_patch).
            upsampling: of fetched pixels to full size (warp_bilinear).
        """
        super().__init__()
        if stride not in STRIDES:
            raise BadInput(
                f"The correspondence's stride is {stride}; it can be 1, 2 or 4 (model.correspondence.stride)."
            )
        if window % 2 == 0:
            raise BadInput(f"The correspondence compares windows of {window}; model.correspondence.window must be odd.")
        self.structure_channels, self.stride = structure_channels, stride
        self.coordinates, self.mask_mixing, self.structure_noise = coordinates, mask_mixing, structure_noise
        self.window, self.centre, self.temperature = window, centre, temperature
        self.fetch, self.upsampling = fetch, upsampling

        def adaptor(channels: int) -> DomainAdaptor:
            return DomainAdaptor(
                channels,
                width=width,
                stride=stride,
                kernel=adaptor_kernel,
                norm=norm,
                hidden=hidden,
                excitation=excitation,
                non_local=non_local,
                deeper=deeper,
                dilated=dilated,
                recompute=recompute,
            )

        self.structure_adaptor = adaptor(structure_channels)  # F_A→S
        self.image_adaptor = adaptor(3)  # F_B→S
        features = 4 * width
        mixed = features + 3 * coordinates + structure_channels * mask_mixing
        self.refine = nn.Sequential(*(ResidualBlock(mixed) for _ in range(4)))
        self.theta = nn.Conv2d(mixed, features, 1)
        self.phi = nn.Conv2d(mixed, features, 1)

    def forward(
        self, structure: Tensor, exemplar: Tensor, exemplar_structure: Tensor | None, truth: Tensor | None = None
    ) -> Match:
        """
        Args:
            structure: (B, S, H, W).
            exemplar: (B, 3, H', W') in [-1, 1].
            exemplar_structure: (B, S, H', W'); None where it is not known: noise takes its place (noise_for_mask).
            truth: (B, 3, H, W): the ground truth for `structure`, for the domain alignment loss.
        """
        self._check(structure, exemplar, exemplar_structure)
        if self.training:
            advance(self)
        noisy = structure
        if self.structure_noise:
            noisy = structure + STRUCTURE_NOISE * torch.randn_like(structure) * (structure != 0)
        x = unit(self.structure_adaptor(noisy))
        y, truth_features = self._photos(exemplar, truth)
        if exemplar_structure is None:
            exemplar_structure = MASK_NOISE * torch.randn_like(exemplar[:, :1].expand(-1, structure.shape[1], -1, -1))
        theta = self.theta(self.refine(self._mix(x, structure)))
        phi = self.phi(self.refine(self._mix(y, exemplar_structure)))
        correlation = Correlation(theta, phi, window=self.window, centre=self.centre, temperature=self.temperature)
        return Match(x, y, truth_features, correlation)

    def warp(
        self,
        match: Match,
        exemplar: Tensor,
        *,
        structure: Tensor | None = None,
        exemplar_structure: Tensor | None = None,
        mask: Literal["none", "direct", "cycle"] = "none",
        cycle: bool = False,
        truth: Tensor | None = None,
    ) -> Warp:
        """Fetch from the exemplar what the correlation points at.

        Args:
            match: of the structure and this exemplar.
            exemplar: (B, 3, H', W').
            structure, exemplar_structure: one-hot; needed for the masks 'cycle' and 'direct'.
            mask: which structure map to warp, see `Warp.mask`.
            cycle: bring the warped exemplar back to the exemplar.
            truth: (B, 3, H, W); when given, it is warped to the exemplar and back too (two_cycle).
        """
        correlation, size = match.correlation, match.correlation.structure_size
        wanted = [self._reduce(exemplar)]
        if mask == "direct":
            wanted.append(resize_nearest(_given(exemplar_structure, "exemplar"), correlation.exemplar_size))
        warped = _fetch_together(correlation.warp, wanted)
        returning = [warped[0]] if cycle else []
        if mask == "cycle":
            returning.append(resize_nearest(_given(structure, "target"), size))
        if truth is not None:
            returning.append(F.avg_pool2d(truth, self.stride))
        returned = _fetch_together(correlation.back, returning)
        again = _fetch_together(correlation.warp, returned[1:] if cycle else returned)
        truth_at_exemplar = returned[-1] if truth is not None else None
        return Warp(
            image=self._enlarge(warped[0]),
            mask={"none": None, "direct": warped[-1], "cycle": again[0] if again else None}[mask],
            cycle=self._unpatch(returned[0]) if cycle else None,
            truth_at_exemplar=truth_at_exemplar,
            truth_cycle=again[-1] if truth is not None else None,
        )

    def _check(self, structure: Tensor, exemplar: Tensor, exemplar_structure: Tensor | None) -> None:
        for name, tensor in (("structure", structure), ("exemplar", exemplar)):
            height, width = tensor.shape[-2:]
            if height % self.stride or width % self.stride:
                raise BadInput(
                    f"The {name} is {height} x {width}, which the correspondence's stride of {self.stride} does not divide; "
                    f"choose data.height and data.width as its multiples or another model.correspondence.stride."
                )
        for name, given in (("structure map", structure), ("exemplar's structure map", exemplar_structure)):
            if given is not None and given.shape[1] != self.structure_channels:
                raise BadInput(
                    f"The {name} has {given.shape[1]} channels, but this correspondence network was made for "
                    f"{self.structure_channels}; use the dataset it was made for or set the structure of the data."
                )

    def _photos(self, exemplar: Tensor, truth: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Unit features of the exemplar and of the ground truth; in one pass, for nothing in it mixes samples."""
        if truth is None:
            return unit(self.image_adaptor(exemplar)), None
        if truth.shape == exemplar.shape:
            features = unit(self.image_adaptor(torch.cat((exemplar, truth))))
            return features[: len(exemplar)], features[len(exemplar) :]
        return unit(self.image_adaptor(exemplar)), unit(self.image_adaptor(truth))

    def _mix(self, features: Tensor, structure: Tensor) -> Tensor:
        parts = [features]
        if self.coordinates:
            parts.append(_coordinates(features))
        if self.mask_mixing:
            parts.append(resize_nearest(structure, features.shape[-2:]).to(features.dtype))
        return torch.cat(parts, dim=1)

    def _reduce(self, image: Tensor) -> Tensor:
        """Pixels or patches of an image at the size of the features."""
        if self.fetch == "patches":
            return F.pixel_unshuffle(image, self.stride)
        return F.avg_pool2d(image, self.stride)

    def _unpatch(self, fetched: Tensor) -> Tensor:
        return F.pixel_shuffle(fetched, self.stride) if self.fetch == "patches" else fetched

    def _enlarge(self, fetched: Tensor) -> Tensor:
        if self.fetch == "patches":
            return F.pixel_shuffle(fetched, self.stride)
        if self.stride == 1:
            return fetched
        if self.upsampling == "nearest":
            return F.interpolate(fetched, scale_factor=self.stride, mode="nearest")
        return F.interpolate(fetched, scale_factor=self.stride, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """Two convolutions with instance normalisation; one PReLU, applied inside and at the end."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_0 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(channels)
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        residual = self.activation(self.norm(self.conv_0(x)))
        return self.activation(x + self.norm(self.conv_1(residual)))


def unit(features: Tensor) -> Tensor:
    """(B, C, H, W) of length 1 at each position, in float32."""
    features = features.float()
    return features / (features.norm(dim=1, keepdim=True) + GUARD)


def resize_nearest(x: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """(B, C, H, W) at another size by nearest neighbour; labels stay labels."""
    return x if x.shape[-2:] == torch.Size(size) else F.interpolate(x, tuple(size), mode="nearest")


def _fetch_together(fetch: Any, values: list[Tensor]) -> list[Tensor]:
    """Fetch several maps with one pass over the correlation."""
    if not values:
        return []
    fetched = fetch(torch.cat([value.float() for value in values], dim=1))
    return list(fetched.split([value.shape[1] for value in values], dim=1))


def _given(structure: Tensor | None, side: str) -> Tensor:
    if structure is None:
        raise ValueError(f"the {side}'s structure map is needed to warp it")
    return structure


def _coordinates(features: Tensor) -> Tensor:
    """(B, 3, H, W): x and y in [-1, 1] from first to last position, and the distance from the centre."""
    places = coordinates_of(features)
    return torch.cat([places, torch.hypot(places[:, :1], places[:, 1:])], dim=1)
