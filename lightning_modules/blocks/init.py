"""How weights start."""

from __future__ import annotations

from typing import Literal

from torch import nn

from lightning_modules.blocks.norms import BatchNorm

InitKind = Literal["normal", "xavier", "kaiming", "orthogonal"]


def initialise(network: nn.Module, kind: InitKind = "normal", gain: float = 0.02) -> None:
    """Draw the weights of all convolutions and linear layers anew; their biases are zero.

    Args:
        kind: normal is N(0, gain²), as in pix2pix and CycleGAN (and DCGAN before them); kaiming takes no gain.
        gain: its scale. Scales of batch norms are drawn from N(1, gain²).
    """
    for module in network.modules():
        if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
            if kind == "normal":
                nn.init.normal_(module.weight, 0.0, gain)
            elif kind == "xavier":
                nn.init.xavier_normal_(module.weight, gain)
            elif kind == "kaiming":
                nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in")
            else:
                nn.init.orthogonal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, BatchNorm) and module.affine:
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)
