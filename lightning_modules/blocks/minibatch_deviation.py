"""How much a batch varies, told to a discriminator (Progressive GAN, arXiv 1710.10196, section 3).

StyleGAN2's discriminator has it; that of the swapping autoencoder leaves it out, so that no method here uses it yet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.equalised import full_precision


def minibatch_deviation(x: Tensor, group: int = 4, eps: float = 1e-8) -> Tensor:
    """The mean standard deviation of features within groups of the batch, as one more channel of x.

    Sample b is in the group with all samples of equal b mod (B / g), g = min(B, group).

    Args:
        x: (B, C, H, W); B at most `group` or a multiple of it.

    Returns:
        (B, 1, H, W), constant over each image.

    Raises:
        BadInput: the batch cannot be divided into such groups.
    """
    batch, channels, height, width = x.shape
    size = min(batch, group)
    if batch % size:
        raise BadInput(
            f"a batch of {batch} cannot be divided into groups of {size} for the minibatch deviation; "
            f"make it a multiple of {size}"
        )
    groups = full_precision(x).view(size, -1, channels, height, width)
    deviation = (groups.var(dim=0, unbiased=False) + eps).sqrt().mean(dim=(1, 2, 3))
    return deviation.repeat(size).view(batch, 1, 1, 1).expand(-1, -1, height, width).to(x.dtype)


class MinibatchDeviation(nn.Module):
    """x with its `minibatch_deviation` as the last channel."""

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, minibatch_deviation(x, self.group)], dim=1)
