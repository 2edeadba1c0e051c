"""Measures of an image against its ground truth, one value per image: PSNR, L1, and SSIM in the conventions of papers.

All work on 8-bit images, because that is what is saved, published and looked at: `quantise` first. Sums are made in
float64, so that values agree with scikit-image's to 1e-6.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

PSNR_OF_EQUAL_IMAGES = 100.0
"""What identical images count, in dB: their PSNR is infinite and would swallow a mean."""


def quantise(images: Tensor) -> Tensor:
    """Images in [-1, 1] as they are saved: uint8, rounded to nearest (x.5 up) and clamped; not a number becomes 0.

    Every command that writes or measures an image rounds through this one function, so that what is measured on
    tensors is what would be measured on the files.
    """
    levels = (images.detach().float().nan_to_num(nan=-1.0) + 1) * 127.5 + 0.5
    return levels.clamp(0, 255).floor().to(torch.uint8)


def _exact(images: Tensor) -> Tensor:
    """The images in float64; on the processor where the device has no float64 (Apple's)."""
    return (images.cpu() if images.device.type == "mps" else images).double()


def psnr(generated: Tensor, target: Tensor, where: Tensor | None = None) -> Tensor:
    """PSNR = 10 log10(255^2 / MSE) of each image.

    Args:
        generated, target: (B, 3, H, W) uint8.
        where: (B, 1, H, W), non-zero where pixels count; all by default.

    Returns:
        (B,) float64 in dB; `PSNR_OF_EQUAL_IMAGES` at most; NaN where no pixel counts.
    """
    squared = (_exact(generated) - _exact(target)).square().mean(dim=1, keepdim=True)
    weight = torch.ones_like(squared) if where is None else (_exact(where) > 0).double()
    mse = (squared * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))
    return (10 * torch.log10(255.0**2 / mse)).clamp(max=PSNR_OF_EQUAL_IMAGES)


def l1(generated: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of each image, on values in [0, 1]: (B, 3, H, W) uint8 -> (B,) float64.

    PATN's L1, on values in [-1, 1], is twice this.
    """
    return (_exact(generated) - _exact(target)).abs().mean(dim=(1, 2, 3)) / 255


def _filtered(planes: Tensor, window: list[float]) -> Tensor:
    """Both separable passes of a 1-d window over (N, H, W), without borders.

    As sums of shifted planes: in float64 twenty times faster on a processor than convolutions of one channel.
    """
    for dim in (-1, -2):
        size = planes.shape[dim] - len(window) + 1
        total = planes.narrow(dim, 0, size) * window[0]
        for offset, weight in enumerate(window[1:], start=1):
            total.add_(planes.narrow(dim, offset, size), alpha=weight)
        planes = total
    return planes


def _gaussian(sigma: float) -> list[float]:
    """A normalised Gaussian window of radius int(3.5 sigma + 0.5), as scikit-image cuts it."""
    radius = int(3.5 * sigma + 0.5)
    window = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-radius, radius + 1)]
    return [weight / sum(window) for weight in window]


def _structural_similarity(
    x: Tensor, y: Tensor, window: list[float], data_range: Tensor, unbias: float = 1.0
) -> Tensor:
    """SSIM (Wang et al. 2004) of each image: per channel, averaged over channels and over the pixels whose window
    lies inside the image (scikit-image crops the border to the same effect, so no border rule matters).

    Args:
        x, y: (B, C, H, W) float64.
        window: weights of one separable pass.
        data_range: (B,) L of C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
        unbias: factor of the (co)variances; 1 for the population's.
    """
    height, width = x.shape[-2:]
    if min(height, width) < len(window):
        raise ValueError(f"SSIM with a window of {len(window)} pixels needs larger images than {height} x {width}.")
    values = []
    for a, b, scale in zip(x, y, data_range, strict=True):  # one image at a time stays in the processor's cache
        moments = _filtered(torch.stack([a, b, a * a, b * b, a * b]).flatten(0, 1), window).unflatten(0, (5, -1))
        mean_a, mean_b, square_a, square_b, product = moments
        c1, c2 = (0.01 * scale).square(), (0.03 * scale).square()
        both = mean_a * mean_b
        squares = mean_a.square() + mean_b.square()
        variances, covariance = unbias * (square_a + square_b - squares), unbias * (product - both)
        similarity = (2 * both + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
        values.append(similarity.mean())
    return torch.stack(values)


def _range_of(images: Tensor) -> Tensor:
    """max - min of each image, which pose-transfer code takes as the data range."""
    return images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))


def ssim(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM as the general literature computes it ("Wang"): Gaussian of sigma 1.5, data range 255.

    (B, 3, H, W) uint8 -> (B,) float64.
    """
    x, y = _exact(target), _exact(generated)
    return _structural_similarity(x, y, _gaussian(1.5), x.new_full((x.shape[0],), 255.0))


def ssim_pose(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM of PATN, and `SSIM_256` of GFLA, DPTN and CFLD: sigma 1.5, data range max - min of the generated image.

    (B, 3, H, W) uint8 -> (B,) float64. A generated image of one colour has no data range: NaN.
    """
    x, y = _exact(target), _exact(generated)
    return _structural_similarity(x, y, _gaussian(1.5), _range_of(y))


def ssim_pidm(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM of PIDM and PCDMs: sigma 1.2, data range max - min of the generated image.

    (B, 3, H, W) uint8 -> (B,) float64. A generated image of one colour has no data range: NaN.
    """
    x, y = _exact(target), _exact(generated)
    return _structural_similarity(x, y, _gaussian(1.2), _range_of(y))


GFLA_WINDOW = 51
"""The side of GFLA's uniform window, and so the smallest side of an image that has this SSIM."""


def ssim_gfla(generated: Tensor, target: Tensor) -> Tensor:
    """`SSIM` of GFLA, DPTN, PIDM and CFLD: uniform 51 x 51 window, sample covariance, values in [0, 1].

    Much larger than the others for the same images. (B, 3, H, W) uint8 with sides of 51 at least -> (B,) float64.
    """
    x, y = _exact(target) / 255, _exact(generated) / 255
    window = [1 / GFLA_WINDOW] * GFLA_WINDOW
    pixels = GFLA_WINDOW**2
    return _structural_similarity(x, y, window, x.new_ones(x.shape[0]), unbias=pixels / (pixels - 1))
