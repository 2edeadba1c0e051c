"""Measures of an image against its ground truth, one value per image: PSNR, L1, and SSIM in the conventions of papers.

All work on 8-bit images, because that is what is saved, published and looked at: `quantise` first. Sums are made in
float64, so that values agree with scikit-image's to 1e-6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


def _filtered(images: Tensor, window: Tensor) -> Tensor:
    """Both separable passes of a 1-d window over (N, 1, H, W), without borders."""
    return F.conv2d(F.conv2d(images, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))


def _gaussian(sigma: float, like: Tensor) -> Tensor:
    """A normalised Gaussian window of radius int(3.5 sigma + 0.5), as scikit-image cuts it."""
    radius = int(3.5 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
    window = torch.exp(-0.5 * (offsets / sigma).square())
    return window / window.sum()


def _structural_similarity(x: Tensor, y: Tensor, window: Tensor, data_range: Tensor, unbias: float = 1.0) -> Tensor:
    """SSIM (Wang et al. 2004) of each image: per channel, averaged over channels and over the pixels whose window
    lies inside the image (scikit-image crops the border to the same effect, so no border rule matters).

    Args:
        x, y: (B, C, H, W) float64.
        window: (K,) weights of one separable pass.
        data_range: (B,) L of C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
        unbias: factor of the (co)variances; 1 for the population's.
    """
    size, (height, width) = window.numel(), x.shape[-2:]
    if min(height, width) < size:
        raise ValueError(f"SSIM with a window of {size} pixels needs larger images than {height} x {width}.")
    planes_x, planes_y = x.flatten(0, 1).unsqueeze(1), y.flatten(0, 1).unsqueeze(1)
    mean_x, mean_y = _filtered(planes_x, window), _filtered(planes_y, window)
    var_x = unbias * (_filtered(planes_x.square(), window) - mean_x.square())
    var_y = unbias * (_filtered(planes_y.square(), window) - mean_y.square())
    cov = unbias * (_filtered(planes_x * planes_y, window) - mean_x * mean_y)
    scale = data_range.repeat_interleave(x.shape[1]).view(-1, 1, 1, 1)
    c1, c2 = (0.01 * scale).square(), (0.03 * scale).square()
    similarity = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    similarity = similarity / ((mean_x.square() + mean_y.square() + c1) * (var_x + var_y + c2))
    return similarity.mean(dim=(1, 2, 3)).view(x.shape[0], x.shape[1]).mean(dim=1)


def _range_of(images: Tensor) -> Tensor:
    """max - min of each image, which pose-transfer code takes as the data range."""
    return images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))


def ssim(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM as the general literature computes it ("Wang"): Gaussian of sigma 1.5, data range 255.

    (B, 3, H, W) uint8 -> (B,) float64.
    """
    x, y = _exact(target), _exact(generated)
    return _structural_similarity(x, y, _gaussian(1.5, x), x.new_full((x.shape[0],), 255.0))


def ssim_pose(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM of PATN, and `SSIM_256` of GFLA, DPTN and CFLD: sigma 1.5, data range max - min of the generated image.

    (B, 3, H, W) uint8 -> (B,) float64. A generated image of one colour has no data range: NaN.
    """
    x, y = _exact(target), _exact(generated)
    return _structural_similarity(x, y, _gaussian(1.5, x), _range_of(y))


def ssim_pidm(generated: Tensor, target: Tensor) -> Tensor:
    """SSIM of PIDM and PCDMs: sigma 1.2, data range max - min of the generated image.

    (B, 3, H, W) uint8 -> (B,) float64. A generated image of one colour has no data range: NaN.
    """
    x, y = _exact(target), _exact(generated)
    return _structural_similarity(x, y, _gaussian(1.2, x), _range_of(y))


GFLA_WINDOW = 51
"""The side of GFLA's uniform window, and so the smallest side of an image that has this SSIM."""


def ssim_gfla(generated: Tensor, target: Tensor) -> Tensor:
    """`SSIM` of GFLA, DPTN, PIDM and CFLD: uniform 51 x 51 window, sample covariance, values in [0, 1].

    Much larger than the others for the same images. (B, 3, H, W) uint8 with sides of 51 at least -> (B,) float64.
    """
    x, y = _exact(target) / 255, _exact(generated) / 255
    window = x.new_full((GFLA_WINDOW,), 1 / GFLA_WINDOW)
    pixels = GFLA_WINDOW**2
    return _structural_similarity(x, y, window, x.new_ones(x.shape[0]), unbias=pixels / (pixels - 1))
