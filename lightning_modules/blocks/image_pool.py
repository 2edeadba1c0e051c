"""A pool of earlier generated images, which a discriminator judges in place of the newest ones half of the time.

Shrivastava et al. 2017 (arXiv 1612.07828, section 2.3), as used by CycleGAN (arXiv 1703.10593, section 4): the discriminator
does not forget what the generator did some steps ago, and the game oscillates less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

PoolState = Tensor | list[Tensor] | None


def swap_half_of_them(size: int) -> int | None:
    """With probability 1/2 the position, uniform in [0, size), at which to swap; from torch's global generator."""
    return int(torch.randint(size, ())) if torch.rand(()) > 0.5 else None


class ImagePool:
    """Up to `size` images, each of shape (C, H, W), without gradient."""

    def __init__(self, size: int, choose: Callable[[int], int | None] = swap_half_of_them) -> None:
        """
        Args:
            size: how many images are kept; 0 keeps none, and the newest are always judged.
            choose: for one image and a full pool of the given size, the position at which to swap, or None not to.
        """
        self.size = size
        self.choose = choose
        self.images: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """(B, C, H, W) new images -> as many to judge, in the same order: each the new one, or an old one in its place.

        While the pool fills up, new images are kept and returned. Once it is full, an image either swaps with one of the
        pool, which is returned, or is returned itself and not kept.
        """
        images = images.detach()
        if self.size == 0:
            return images
        return torch.stack([self._query_one(image) for image in images])

    def _query_one(self, image: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image.clone())  # a view would keep its whole batch in memory
            return image
        position = self.choose(self.size)
        if position is None:
            return image
        kept, self.images[position] = self.images[position], image.clone()
        return kept.to(image)

    def state(self) -> PoolState:
        """All images on the CPU, for a checkpoint: as one tensor, or as a list where they differ in size; None while there
        are none."""
        if len({image.shape for image in self.images}) > 1:
            return [image.cpu() for image in self.images]
        return torch.stack(self.images).cpu() if self.images else None

    def load(self, state: PoolState) -> None:
        """Go on from what `state` returned. Images move to the device of the new ones as they are needed."""
        self.images = [] if state is None else list(state[: self.size])


def of_all_ranks(state: dict[str, PoolState]) -> list[dict[str, PoolState]]:
    """The states of all processes, by rank, on each of them; all must call it."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [state]
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, state)
    return states
