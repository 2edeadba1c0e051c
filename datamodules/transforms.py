"""Framing: how a picture and all that belongs to it are resized, cropped and mirrored, together and repeatably."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from datamodules.structures.pose import MIRROR
from datamodules.structures.structure import POSES, Annotation


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

    def fitted(self, size: tuple[int, int], name: str) -> Self:
        """This framing for a picture of a stored size (height, width): itself, as all are squashed to one size; others see
        `official_framing`.

        Args:
            name: of the picture's file, for the sentence that it is too small.

        Raises:
            BadInput: the picture is too small to be framed in this way.
        """
        return self

    @property
    def loading(self) -> Self:
        """The framing that resizes and does nothing else: what a store keeps, out of which `placed` cuts."""
        return replace(self, height=self.load_height, width=self.load_width, top=0, left=0, mirrored=False)

    def picture(self, pixels: np.ndarray) -> Tensor:
        """(h, w, 3) uint8 -> (3, height, width) uint8: bicubic with antialiasing."""
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        return self.placed(_by_channel(self._resized(image, InterpolationMode.BICUBIC)))

    def labels(self, indices: np.ndarray) -> Tensor:
        """(h, w) class indices -> (height, width), each the index of the nearest pixel."""
        if indices.dtype == np.uint16:
            indices = indices.astype(np.int32)  # what torchvision can resize
        # As an image: torchvision resizes a Mask by the corner of a pixel, not by its centre, which shifts it by half
        # a pixel against its picture.
        return self.placed(self._resized(torch.from_numpy(indices)[None], InterpolationMode.NEAREST_EXACT))[0]

    def placed(self, image: Tensor) -> Tensor:
        """(..., load_height, load_width) of a picture or map -> (..., height, width): cut out and mirrored, in memory of
        its own where anything is cut off or turned."""
        if (self.load_height, self.load_width) != (self.height, self.width):
            image = F.crop_image(image, self.top, self.left, self.height, self.width)
        return F.horizontal_flip_image(image) if self.mirrored else image.contiguous()

    def keypoints(self, points: np.ndarray, size: tuple[int, int]) -> Tensor:
        """(K, 3) x, y, visible in a picture of `size` (h, w) -> (K, 3) in pixels of the output.

        Left and right joints change places in a mirrored picture: a person's right hand stays her right hand; but see
        `exchanges`.
        """
        loaded = torch.from_numpy(points).clone()
        if size != (self.load_height, self.load_width):
            loaded[:, :2] *= torch.tensor([self.load_width / size[1], self.load_height / size[0]])
        return self.placed_keypoints(loaded)

    def placed_keypoints(self, points: Tensor) -> Tensor:
        """(K, 3) x, y, visible in pixels of the picture as it is loaded -> (K, 3) in pixels of the output."""
        framed = points.clone()
        if (self.load_height, self.load_width) != (self.height, self.width):
            framed[:, :2] -= torch.tensor([self.left, self.top], dtype=points.dtype)
        if self.mirrored:
            framed[:, 0].sub_(self.width - 1).neg_()
        return framed[MIRROR] if self.mirrored and self.exchanges else framed

    def placed_skeleton(self, points: Tensor) -> Tensor:
        """(K, 3) x, y, visible in pixels of the picture as it is loaded -> the shapes of a skeleton, see
        `pose_map.drawn`."""
        from datamodules.structures.pose_map import drawn  # OpenCV takes a moment to import

        upright = replace(self, mirrored=False).placed_keypoints(points).numpy()
        return drawn(upright, self.height, self.width, self.mirrored, self.exchanges)

    def loaded_annotation(self, found: np.ndarray | None, kind: Annotation, size: tuple[int, int]) -> Tensor | None:
        """What a structure is drawn from, resized like its picture of the given stored size, before it is placed."""
        if found is None:
            return None
        if kind in POSES:
            return self.loading.keypoints(found, size)
        return self.loading.labels(found) if kind == "labels" else self.loading.picture(found)

    def placed_annotation(self, loaded: Tensor | None, kind: Annotation) -> Tensor | None:
        """What a structure is drawn from, placed like its picture, out of what `loaded_annotation` gave."""
        if loaded is None:
            return None
        if kind == "keypoints":
            return self.placed_keypoints(loaded)
        return self.placed_skeleton(loaded) if kind == "skeleton" else self.placed(loaded)

    def annotation(self, found: np.ndarray | None, kind: Annotation, size: tuple[int, int]) -> Tensor | None:
        """What a structure is drawn from, framed like its picture of the given stored size."""
        return self.placed_annotation(self.loaded_annotation(found, kind, size), kind)

    def _resized(self, image: Tensor, interpolation: InterpolationMode) -> Tensor:
        return F.resize_image(image, [self.load_height, self.load_width], interpolation=interpolation, antialias=True)


def _by_channel(picture: Tensor) -> Tensor:
    """A picture (3, h, w) uint8 that lies in memory pixel by pixel, as decoders leave it, laid out channel by channel."""
    import cv2  # takes a moment

    if picture.stride(0) != 1:
        return picture
    planes = np.empty(picture.shape, np.uint8)
    cv2.split(picture.permute(1, 2, 0).numpy(), list(planes))  # five times as fast as `contiguous`
    return torch.from_numpy(planes)
