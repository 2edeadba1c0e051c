"""Up-sampling, filtering and down-sampling of feature maps in one step (the resampling of StyleGAN2, arXiv 1912.04958).

A short low-pass filter runs over every channel, so this is a depthwise convolution: that is one call for all channels,
differentiable as often as one likes and exact in any precision, with no zeros written between samples and no sample
computed that the down-sampling would drop.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LONGEST_SINGLE_PASS = 6
"""A separable filter of up to this many taps is applied in one 2-d pass: one read of the map beats the saved products."""


def fir_kernel(taps: Sequence[float], gain: float = 1.0) -> Tensor:
    """The 1-d factor of a separable low-pass kernel whose 2-d sum is `gain`: `[1, 3, 3, 1]` in StyleGAN2."""
    kernel = torch.tensor(taps, dtype=torch.float64)
    return (kernel / kernel.sum() * gain**0.5).float()


def resample(x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Insert up-1 zeros after every sample, pad, convolve with `kernel`, keep every `down`-th sample; on both axes.

    Args:
        x: (B, C, H, W).
        kernel: (k,) for a separable filter, its 1-d factor; or (k_h, k_w). It is convolved, not correlated.
        padding: zeros before and after each axis; negative numbers crop.

    Returns:
        (B, C, H', W') with H' = floor((H * up + p0 + p1 - k) / down) + 1.
    """
    if kernel.ndim == 1 and len(kernel) > LONGEST_SINGLE_PASS:
        return _pass(
            _pass(x, kernel[None, :], up, down, padding, axes=(1,)), kernel[:, None], up, down, padding, axes=(0,)
        )
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    return _pass(x, kernel, up, down, padding, axes=(0, 1))


def _pass(x: Tensor, kernel: Tensor, up: int, down: int, padding: tuple[int, int], axes: tuple[int, ...]) -> Tensor:
    """One depthwise convolution that resamples along `axes` (0: height, 1: width)."""
    factor = [(up, down, padding) if axis in axes else (1, 1, (0, 0)) for axis in (0, 1)]
    steps, strides, pads = zip(*factor, strict=True)
    lengths = [
        (n * step + sum(pad) - k) // stride + 1
        for n, step, stride, pad, k in zip(x.shape[2:], steps, strides, pads, kernel.shape, strict=True)
    ]
    kernel = kernel.to(x.dtype)[None, None].expand(x.shape[1], 1, -1, -1)
    if up == 1:
        return _filter(x, kernel.flip(2, 3), strides, pads, lengths)
    # The transposed convolution is the full convolution of the zero-inserted map: what padding asks for is a window of it.
    full = F.conv_transpose2d(x, kernel, stride=steps, groups=x.shape[1])
    before = [pad[0] - (k - 1) for pad, k in zip(pads, kernel.shape[2:], strict=True)]
    after = [
        (length - 1) * stride + 1 - n - first
        for length, stride, n, first in zip(lengths, strides, full.shape[2:], before, strict=True)
    ]
    return F.pad(full, (before[1], after[1], before[0], after[0]))[..., :: strides[0], :: strides[1]]


def _filter(
    x: Tensor, kernel: Tensor, strides: Sequence[int], pads: Sequence[tuple[int, int]], lengths: Sequence[int]
) -> Tensor:
    """Pad, correlate, keep every stride-th sample."""
    if all(0 <= after <= before for before, after in pads):
        # The convolution pads by itself, as much after as before; what is too much is at the end and is cut off.
        y = F.conv2d(x, kernel, stride=strides, padding=[before for before, _ in pads], groups=x.shape[1])
        return y if list(y.shape[2:]) == list(lengths) else y[..., : lengths[0], : lengths[1]]
    (top, bottom), (left, right) = pads
    return F.conv2d(F.pad(x, (left, right, top, bottom)), kernel, stride=strides, groups=x.shape[1])


def upsample_padding(taps: int) -> tuple[int, int]:
    """The padding with which doubling by a filter of `taps` taps keeps samples in place: (2, 1) for four."""
    return (taps - 1) // 2 + 1, (taps - 2) // 2


def downsample_padding(taps: int) -> tuple[int, int]:
    """The padding with which halving by a filter of `taps` taps keeps samples in place: (1, 1) for four."""
    return (taps - 1) // 2, (taps - 2) // 2


class Resample(nn.Module):
    """`resample` with a separable filter that is fixed by its taps."""

    kernel: Tensor

    def __init__(
        self, taps: Sequence[float], up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0), gain: float = 1.0
    ) -> None:
        """
        Args:
            taps: the filter's taps up to a factor.
            gain: the sum of the 2-d kernel; up² keeps the level of a map that zeros were inserted into.
        """
        super().__init__()
        self.up, self.down, self.padding = up, down, padding
        self.register_buffer("kernel", fir_kernel(taps, gain), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return resample(x, self.kernel, self.up, self.down, self.padding)

    def extra_repr(self) -> str:
        return f"taps={len(self.kernel)}, up={self.up}, down={self.down}, padding={self.padding}"
