"""Structures for people to look at: alone, and laid over the picture that they belong to."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datamodules.structures.face_parts import CLASSES as FACE_CLASSES
from datamodules.structures.labels import palette
from datamodules.structures.pose_map import COLOURS

FACES = (
    *((0, 0, 0), (204, 0, 0), (76, 153, 0), (204, 204, 0), (51, 51, 255), (204, 0, 204), (0, 255, 255)),
    *((255, 204, 204), (102, 51, 0), (255, 0, 0), (102, 204, 0), (255, 255, 0), (0, 0, 153), (0, 0, 204)),
    *((255, 51, 153), (0, 204, 204), (0, 51, 0), (255, 153, 51), (0, 204, 0)),
)
"""The colours in which the authors of CelebAMask-HQ show its 19 classes."""

EDGE, CONTOUR = (0.1, 1.0, 0.2), (1.0, 0.15, 0.15)
"""Colours of edges, and of the contours of a face's parts, over a picture."""
DIM = 0.45
"""How much of a picture is left beneath edges, so that they are seen on light ground too."""


def overlaid(name: str, maps: Tensor, picture: Tensor) -> Tensor:
    """The structure laid over its picture: (B, 3, H, W) in [-1, 1].

    Args:
        name: `pose_heatmaps`, `pose_map`, `labels`, `edges`, `part_edges` or `image`.
        maps: (B, S, H, W) in [0, 1], as the structure draws them.
        picture: (B, 3, H, W) in [-1, 1].
    """
    if name == "image":
        return alone(name, maps)
    ground = (picture + 1) / 2
    if name in ("edges", "part_edges"):
        ground = ground * DIM
    colour, opacity = _ink(name, maps)
    return (ground + opacity * (colour - ground)) * 2 - 1


def alone(name: str, maps: Tensor) -> Tensor:
    """The structure itself: (B, 3, H, W) in [-1, 1]. Distances to limbs and contours are shown as a glow around them."""
    if name == "image":
        return maps * 2 - 1
    colour, opacity = _ink(name, maps)
    if name == "labels":
        opacity = (opacity > 0).float()
    shown = colour * opacity
    if name in ("pose_map", "part_edges"):
        distances = maps[:, 3:] if name == "pose_map" else maps[:, 1:14]
        glow = (1 - distances.amin(1, keepdim=True) * GLOW).clamp(0, 1) * 0.5
        shown = torch.where(opacity > 0.5, shown, glow.expand_as(shown))
    return shown * 2 - 1


GLOW = 12.0
"""A distance map falls off over 765 pixels: its glow is gone at a twelfth of that."""


def _ink(name: str, maps: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 3, H, W) colours in [0, 1], and how much they cover: (B, 1, H, W) in [0, 1]."""
    if name == "pose_heatmaps":
        colours = torch.tensor(COLOURS[: maps.shape[1]], device=maps.device) / 255
        # Joints that lie close together must not become white: each pixel is of the joint that it belongs to most.
        strongest, joint = maps.max(1, keepdim=True)
        return colours[joint[:, 0]].movedim(-1, 1), strongest.square() * 0.9
    if name == "pose_map":
        skeleton = maps[:, :3]
        return skeleton, (skeleton.amax(1, keepdim=True) > 0).float() * 0.65
    if name == "labels":
        classes = maps.shape[1]
        known = FACES if classes == FACE_CLASSES else palette(classes)[:classes]
        colours = torch.from_numpy(np.array(known, np.float32) / 255).to(maps.device)
        several = maps.sum(1, keepdim=True)
        colour = torch.einsum("bshw,sc->bchw", maps, colours) / several.clamp(min=1)
        # Black is the background, or nothing at all: the picture is left as it is.
        return colour, (colour.amax(1, keepdim=True) > 0).float() * 0.55
    edge = torch.tensor(EDGE, device=maps.device)[:, None, None].expand(len(maps), 3, *maps.shape[-2:])
    if name == "edges":
        return edge, maps
    contour = maps[:, 14:15]
    return torch.where(contour > 0.5, torch.tensor(CONTOUR, device=maps.device)[:, None, None], edge), maps[:, :1]
