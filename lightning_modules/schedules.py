"""Learning-rate schedules that torch lacks; in a config, a partial of one of these or of any in torch.optim.lr_scheduler."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def linear_decay(
    optimizer: Optimizer, constant_epochs: int = 100, decay_epochs: int = 100, first_epoch: int = 1
) -> LambdaLR:
    """The full rate for `constant_epochs`, then a straight line that reaches zero right after `decay_epochs` more.

    CycleGAN (arXiv 1703.10593, section 4). With the defaults, epoch 100 is the last at the full rate, epoch 101 has 100/101
    of it, epoch 200 still 1/101: no epoch of a run is wasted at rate zero.

    Args:
        first_epoch: the number, from 1, of the epoch that comes first: larger where the rate goes on in the middle.
    """

    def factor(epochs_done: int) -> float:
        epoch = first_epoch + epochs_done
        return max(0.0, 1 - max(0, epoch - constant_epochs) / (decay_epochs + 1))

    return LambdaLR(optimizer, factor)
