"""Framing: how a picture and all that belongs to it are resized, cropped and mirrored, together and repeatably."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from datamodules.structures.pose import MIRROR
from datamodules.structures.structure import Annotation


@dataclass(frozen=True)
class Framing:
    """One way to frame a picture: squash it to (load_height, load_width), cut (height, width) out of that, mirror.

    A picture smaller than that is enlarged: nothing is refused for its size.
    """

    height: int
    width: int
    load_height: int
    load_width: int
    top: int = 0
    left: int = 0
    mirrored: bool = False
    exchanges: bool = True
    """Whether left and right joints change places in a mirrored picture; False: as some official code augments."""

    @classmethod
    def whole(cls, height: int, width: int) -> Self:
        """The whole picture, for evaluation."""
        return cls(height, width, height, width)

    def drawn(self, rng: np.random.Generator, flip: float) -> Self:
        """A framing with the same sizes at a random place, mirrored with probability `flip`."""
        # Always three draws, so that what is drawn next does not depend on sizes or probabilities.
        top, left = rng.integers(self.load_height - self.height + 1), rng.integers(self.load_width - self.width + 1)
        return replace(self, top=int(top), left=int(left), mirrored=bool(rng.random() < flip))

    def picture(self, pixels: np.ndarray) -> Tensor:
        """(h, w, 3) uint8 -> (3, height, width) uint8: bicubic with antialiasing."""
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        return self._framed(tv_tensors.Image(image), InterpolationMode.BICUBIC).contiguous()

    def labels(self, indices: np.ndarray) -> Tensor:
        """(h, w) class indices -> (height, width), each the index of the nearest pixel."""
        if indices.dtype == np.uint16:
            indices = indices.astype(np.int32)  # what torchvision can resize
        # As an image: torchvision resizes a Mask by the corner of a pixel, not by its centre, which shifts it by half
        # a pixel against its picture.
        image = tv_tensors.Image(torch.from_numpy(indices)[None])
        return self._framed(image, InterpolationMode.NEAREST_EXACT)[0].contiguous()

    def keypoints(self, points: np.ndarray, size: tuple[int, int]) -> Tensor:
        """(K, 3) x, y, visible in a picture of `size` (h, w) -> (K, 3) in pixels of the output.

        Left and right joints change places in a mirrored picture: a person's right hand stays her right hand; but see
        `exchanges`.
        """
        places, visible = tv_tensors.KeyPoints(points[:, :2], canvas_size=size), torch.from_numpy(points[:, 2:])
        framed = torch.cat([self._framed(places).as_subclass(Tensor), visible], dim=1)
        return framed[MIRROR] if self.mirrored and self.exchanges else framed

    def skeleton(self, points: np.ndarray, size: tuple[int, int]) -> Tensor:
        """(K, 3) x, y, visible in a picture of `size` (h, w) -> the shapes of a skeleton, see `pose_map.drawn`."""
        from datamodules.structures.pose_map import drawn  # OpenCV takes a moment to import

        upright = replace(self, mirrored=False).keypoints(points, size).numpy()
        return drawn(upright, self.height, self.width, self.mirrored, self.exchanges)

    def annotation(self, found: np.ndarray | None, kind: Annotation, size: tuple[int, int]) -> Tensor | None:
        """What a structure is drawn from, framed like its picture of the given stored size."""
        if found is None:
            return None
        if kind == "keypoints":
            return self.keypoints(found, size)
        if kind == "skeleton":
            return self.skeleton(found, size)
        return self.labels(found) if kind == "labels" else self.picture(found)

    def _framed(self, item: Tensor, interpolation: InterpolationMode = InterpolationMode.NEAREST) -> Tensor:
        item = F.resize(item, [self.load_height, self.load_width], interpolation=interpolation, antialias=True)
        if (self.load_height, self.load_width) != (self.height, self.width):
            item = F.crop(item, self.top, self.left, self.height, self.width)
        return F.horizontal_flip(item) if self.mirrored else item
