"""What every measure means, in one line, and which direction is better: read by tables, checkpoints and help."""

from __future__ import annotations

from typing import Literal

from datamodules.bad_input import BadInput, nearest

Better = Literal["higher", "lower"]

MEANING: dict[str, tuple[str, Better]] = {
    "psnr": (
        "peak signal-to-noise ratio in dB against the target, mean of the per-image values, on 8-bit images",
        "higher",
    ),
    "ssim": (
        "structural similarity to the target: Gaussian window of sigma 1.5, data range 255, on 8-bit images",
        "higher",
    ),
    "ssim_pose": (
        "the SSIM of pose-transfer tables (PATN): as ssim, data range max-min of the generated image",
        "higher",
    ),
    "ssim_pidm": (
        "the SSIM of PIDM and PCDMs: Gaussian window of sigma 1.2, data range of the generated image",
        "higher",
    ),
    "ssim_gfla": (
        "the SSIM of GFLA and DPTN: uniform window of 51 x 51, sample covariance; needs sides of 51",
        "higher",
    ),
    "l1": ("mean absolute difference to the target, on pixel values in [0, 1]", "lower"),
    "lpips": ("perceptual distance to the target (LPIPS v0.1, AlexNet)", "lower"),
    "fid": (
        "Frechet distance of Inception features to the targets, or to all training images (fid_reference); biased upwards by few images",
        "lower",
    ),
    "swd": (
        "sliced Wasserstein distance of Laplacian-pyramid patches to the targets, x 1000; needs no weights",
        "lower",
    ),
    "psnr_silhouette": ("PSNR in dB inside the target's true silhouette (replicas only)", "higher"),
    "silhouette_iou": (
        "overlap of what is not background with the target's true silhouette; of the targets themselves, it is below 1 where clothes look like the background (replicas only)",
        "higher",
    ),
    "joint_colours": (
        "share of the target's visible joints around which the image shows the target's colour (within 0.2 in RGB, mean of a small window inside the true silhouette; replicas only)",
        "higher",
    ),
}
"""Name of a measure -> (its meaning in one line, which direction is better)."""

COPY_SOURCE = "copy_source"
"""How the baseline that returns the source image is called in logged names: `test/copy_source/ssim`."""

PER_IMAGE = (
    *("psnr", "ssim", "ssim_pose", "ssim_pidm", "ssim_gfla", "l1", "lpips"),
    *("psnr_silhouette", "silhouette_iou", "joint_colours"),
)
"""The measures that have one value per image; the others have one value per set of images."""


def measure_of(logged: str) -> str:
    """The measure's own name in a logged name: `val/copy_source/ssim` -> `ssim`."""
    return logged.rsplit("/", 1)[-1]


def better(logged: str) -> Better:
    """Which direction of a (logged) measure is better; `BadInput` when it is not a measure."""
    name = measure_of(logged)
    if name not in MEANING:
        raise BadInput(
            f"{logged!r} is not a measure, so whether higher or lower is better is not known;"
            f" the measures are {', '.join(MEANING)}.{nearest(name, MEANING)}"
        )
    return MEANING[name][1]
