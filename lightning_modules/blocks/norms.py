"""The normalisations of pix2pix and CycleGAN, which bias goes with which, and what they do at test time."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch.nn.functional as F
from torch import nn

NormKind = Literal["instance", "batch", "none"]
TestMode = Literal["train", "eval", "batch_statistics"]
BatchNorm = nn.modules.batchnorm._BatchNorm
"""BatchNorm2d and SyncBatchNorm, which Lightning puts in its place with `trainer.sync_batchnorm=true`."""


def make_norm(kind: NormKind, channels: int) -> nn.Module:
    """A normalisation of (B, C, H, W): instance without scale and shift, batch with both, or none."""
    if kind == "instance":
        return nn.InstanceNorm2d(channels)
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


def wants_bias(kind: NormKind) -> bool:
    """Whether a convolution before this normalisation has a bias.

    Batch norm brings its own. Before instance norm a bias changes nothing; it is there because published weights hold it.
    """
    return kind != "batch"


@contextmanager
def at_test_time(network: nn.Module, mode: TestMode) -> Iterator[None]:
    """Within it, norms and dropout of `network` behave as `mode` says; afterwards everything is as it was.

    - train: dropout draws, batch norm uses the statistics of the image at hand (pix2pix, arXiv 1611.07004, section 3.3);
    - eval: no dropout, batch norm uses the averages that it kept while training;
    - batch_statistics: no dropout, batch norm uses the statistics of the image at hand.

    "The image at hand": the paper tests on batches of one image, so each image is normalised by its own statistics here,
    whichever others share its batch. The averages kept for training are not touched in any mode.
    """
    modules = list(network.modules())
    were_training = [module.training for module in modules]
    norms = [module for module in modules if isinstance(module, BatchNorm)] if mode != "eval" else []
    network.train(mode == "train")
    for norm in norms:
        per_image = functools.partial(F.instance_norm, weight=norm.weight, bias=norm.bias, eps=norm.eps)
        norm.forward = per_image  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward
        for module, was_training in zip(modules, were_training, strict=True):
            module.training = was_training
