"""The edges of a face in CoCosNet's sense (Zhang et al., CVPR 2020): contours of its parts, distances to them, and what
Canny's detector finds around the face. 15 channels, equal to the published ones to the bit.

| channel | |
|---|---|
| 0 | contours of all parts, and the picture's own edges where no part of the face lies (on hair they count) |
| 1 ... 13 | for each of `ORDER`: the distance to its contour, falling off to 1 at 765 pixels; 1 where the part is missing |
| 14 | contours of all parts |

Who does what: workers hand out one number per pixel, 12 times less than the maps, and find the picture's edges, for which
they alone have the uncropped picture and scikit-image's detector; contours and distances, which are most of the work, are
drawn on the device. A contour just outside the crop has a distance inside it, so what travels is not cropped: `INSIDE`
marks the pixels that are wanted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.structures.city_block import city_block
from datamodules.structures.face_parts import BIT, PARTS, exchanged
from datamodules.structures.structure import Annotation
from datamodules.transforms import Framing

ORDER = (
    *("skin", "l_brow", "r_brow", "l_eye", "r_eye", "l_ear", "r_ear"),
    *("nose", "u_lip", "mouth", "l_lip", "eye_g", "hair"),
)
"""The parts that have contours; the others (neck, cloth, hat, jewels) have none."""

EDGE = 1 << len(PARTS)
"""Set where the picture has an edge of its own."""
INSIDE = EDGE << 1
"""Set where the pixel lies inside the crop."""


class PartEdges:
    """CoCosNet's edge maps."""

    annotation: Annotation = "parts"

    def maps(self, annotation: Tensor | None, picture: Tensor) -> Tensor:
        """(B, 15, H, W) in [0, 1].

        Args:
            annotation: (B, h, w) int32, stacks of parts (`face_parts`) with `EDGE` and `INSIDE`, not cropped.
            picture: (B, 3, H, W), the crop.
        """
        assert annotation is not None, "the parts of a face cannot be told from a picture"
        contours = _contours(annotation)
        places = torch.tensor([PARTS.index(part) for part in ORDER], device=annotation.device)[:, None, None]
        distances = city_block((contours[:, None] >> places & 1).bool())
        listed, hair = sum(BIT[part] for part in ORDER), BIT["hair"]
        around = ((annotation & hair) > 0) | ((annotation & listed) == 0)
        parts = (contours & listed) > 0
        everything = parts | (((annotation & EDGE) > 0) & around)
        # As published: whole thirds of the distance in 8 bits.
        steps = distances.div(3, rounding_mode="floor").clamp(max=255)
        maps = torch.cat([everything[:, None] * 255, steps, parts[:, None] * 255], dim=1)
        return _cropped(maps, annotation, picture.shape[-2:]).float().div(255)


def framed_parts(stack: np.ndarray, framing: Framing, pixels: np.ndarray | None) -> Tensor:
    """What `PartEdges.maps` draws from: (load_height, load_width) int32.

    Args:
        stack: (h, w) parts of the face, left and right exchanged already where the framing mirrors.
        framing: how the picture is framed.
        pixels: (h', w', 3) uint8, the picture, for its own edges; None: without them.
    """
    loaded = loaded_parts(stack, (framing.load_height, framing.load_width), pixels)
    return placed_parts(loaded, framing, exchanges=False)


def loaded_parts(stack: np.ndarray, size: tuple[int, int], pixels: np.ndarray | None) -> Tensor:
    """The part of `framed_parts` that is the same however the picture is cut and mirrored: `INSIDE` is not set."""
    loaded = Framing.whole(*size).labels(stack)
    return loaded if pixels is None else loaded | torch.from_numpy(own_edges(pixels, size) * np.int32(EDGE))


def placed_parts(loaded: Tensor, framing: Framing, exchanges: bool) -> Tensor:
    """What `PartEdges.maps` draws from, out of what `loaded_parts` gave.

    Args:
        exchanges: whether left and right parts change places where the framing mirrors.
    """
    if framing.mirrored and exchanges:
        loaded = torch.from_numpy(exchanged(loaded.numpy()))
    inside = torch.zeros_like(loaded)
    inside[framing.top : framing.top + framing.height, framing.left : framing.left + framing.width] = INSIDE
    whole = Framing.whole(framing.load_height, framing.load_width)
    return replace(whole, mirrored=framing.mirrored).placed(loaded | inside)


def own_edges(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where Canny's detector finds edges in a picture of that size (height, width), as bool."""
    from skimage.feature import canny  # takes a third of a second, and only this structure needs it

    grey = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR).convert("L")
    return canny(np.asarray(grey))


def _contours(stack: Tensor) -> Tensor:
    """(B, h, w): the bits of the parts to which a pixel or one of its 4 neighbours belongs, but not both."""
    contours = torch.zeros_like(stack)
    down, right = stack[:, 1:] ^ stack[:, :-1], stack[:, :, 1:] ^ stack[:, :, :-1]
    contours[:, 1:] |= down
    contours[:, :-1] |= down
    contours[:, :, 1:] |= right
    contours[:, :, :-1] |= right
    return contours


def _cropped(maps: Tensor, annotation: Tensor, size: torch.Size) -> Tensor:
    """The part of the maps (B, S, h, w) that `INSIDE` marks, of the given size."""
    if maps.shape[-2:] == size:
        return maps
    inside = (annotation & INSIDE) > 0
    top, left = inside.any(2).byte().argmax(1), inside.any(1).byte().argmax(1)
    rows = top[:, None] + torch.arange(size[0], device=maps.device)
    columns = left[:, None] + torch.arange(size[1], device=maps.device)
    batch = torch.arange(len(maps), device=maps.device)[:, None, None]
    return maps.movedim(1, -1)[batch, rows[:, :, None], columns[:, None, :]].movedim(-1, 1).contiguous()
