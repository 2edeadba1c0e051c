"""The measures that one evaluation makes: which are asked for, which are possible, and each of them on a batch.

What is possible is found out before anything runs: weights that are not on this machine and sizes for which a measure is
not defined leave that measure out, with one line that says so.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.bad_input import BadInput, nearest
from datamodules.batch import Batch
from metrics import image_quality, joints, silhouette, swd, weights
from metrics.glossary import MEANING
from metrics.image_quality import quantise
from metrics.inception import Convention, InceptionFeatures, load_inception, weights_of
from metrics.lpips import LPIPS, load_lpips

log = logging.getLogger(__name__)

_PAIRED = {
    "psnr": image_quality.psnr,
    "ssim": image_quality.ssim,
    "ssim_pose": image_quality.ssim_pose,
    "ssim_pidm": image_quality.ssim_pidm,
    "ssim_gfla": image_quality.ssim_gfla,
    "l1": image_quality.l1,
}
# The windows of the SSIMs, and what AlexNet's strides and poolings leave a pixel of.
_SMALLEST_SIDE = {"ssim": 11, "ssim_pose": 11, "ssim_pidm": 9, "ssim_gfla": image_quality.GFLA_WINDOW, "lpips": 31}


class Suite:
    """The measures of one evaluation, each possible one at hand."""

    def __init__(
        self,
        measures: Sequence[str],
        lpips_weights: str | None = None,
        fid_weights: str | None = None,
        fid_convention: Convention = "pytorch_fid",
        silhouette_threshold: float = 0.1,
    ) -> None:
        """
        Args:
            measures: names of metrics/glossary.py.
            lpips_weights, fid_weights: files of AlexNet's and Inception's weights; None looks into torch's folder.
            fid_convention: see metrics/inception.py.
            silhouette_threshold: how far, in RGB of [0, 1], a colour must be from the background to be the person.

        Raises:
            BadInput: a measure has no such name, or a named file is missing or holds something else.
        """
        for name in measures:
            if name not in MEANING:
                raise BadInput(f"There is no measure {name!r}; there are {', '.join(MEANING)}.{nearest(name, MEANING)}")
        self.names = list(dict.fromkeys(measures))
        self.silhouette_threshold = silhouette_threshold
        self.lpips: LPIPS | None = None
        self.inception: InceptionFeatures | None = None
        if "lpips" in self.names and (file := weights.find(weights.ALEXNET, lpips_weights, "lpips_weights")):
            self.lpips = load_lpips(file)
        if "fid" in self.names and (file := weights.find(weights_of(fid_convention), fid_weights, "fid_weights")):
            self.inception = load_inception(fid_convention, file)
        self._leave_out("lpips", self.lpips is None, _absent(weights.ALEXNET, "lpips_weights"))
        self._leave_out("fid", self.inception is None, _absent(weights_of(fid_convention), "fid_weights"))

    def _leave_out(self, name: str, impossible: bool, reason: str) -> None:
        if impossible and name in self.names:
            self.names.remove(name)
            log.warning("%s is not measured: %s", name, reason)

    def fit_to(self, height: int, width: int) -> None:
        """Leave out what is not defined for images of this size."""
        for name, side in _SMALLEST_SIDE.items():
            small = min(height, width) < side
            self._leave_out(name, small, f"images of {height} x {width} are smaller than the {side} pixels it needs.")
        undefined = swd.levels(height, width) == 0
        self._leave_out("swd", undefined, f"images of {height} x {width} cannot be halved to a height of 16.")

    def to(self, device: torch.device) -> Suite:
        """The networks on a device."""
        for network in (self.lpips, self.inception):
            if network is not None:
                network.to(device)
        return self

    @torch.no_grad()
    def per_image(self, images: Tensor, batch: Batch) -> dict[str, list[float | None]]:
        """Every per-image measure of (B, 3, H, W) images in [-1, 1] that this batch allows, in float32 or better.

        Returns:
            Measure -> one value per image, None where the image has none (an unpaired item, an empty silhouette).
            Measures that no image has are left out.
        """
        with torch.autocast(images.device.type, enabled=False):
            values = self._paired(images, batch) | self._silhouettes(images, batch)
        kept = {name: [_finite(value) for value in column.tolist()] for name, column in values.items()}
        return {name: column for name, column in kept.items() if any(value is not None for value in column)}

    def _paired(self, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Against the target, where it is what the translation should look like."""
        if not bool(batch.paired.any()):
            return {}
        generated, target = quantise(images), quantise(batch.target)
        values = {name: measure(generated, target) for name, measure in _PAIRED.items() if name in self.names}
        if self.lpips is not None and "lpips" in self.names:
            values["lpips"] = self.lpips(_clean(images), _clean(batch.target))
        if "psnr_silhouette" in self.names and "target_silhouette" in batch.truth:
            values["psnr_silhouette"] = image_quality.psnr(generated, target, batch.truth["target_silhouette"])
        if "joint_colours" in self.names and {"target_silhouette", "target_joints"} <= batch.truth.keys():
            truth = batch.truth["target_joints"], batch.truth["target_silhouette"]
            values["joint_colours"] = joints.joint_colours(generated, target, *truth)
        unpaired = ~batch.paired
        return {name: value.masked_fill(unpaired.to(value.device), float("nan")) for name, value in values.items()}

    def _silhouettes(self, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Against the truth of a replica, paired or not: the target's pose is asked for in either case."""
        truth = batch.truth
        needed = {"target_silhouette", "target_background", "source_background"}
        if "silhouette_iou" not in self.names or not needed <= truth.keys():
            return {}
        found = silhouette.generated_silhouette(
            _clean(images), truth["source_background"], truth["target_background"], self.silhouette_threshold
        )
        return {"silhouette_iou": silhouette.intersection_over_union(found, truth["target_silhouette"])}

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """What FID compares: (B, 3, H, W) in [-1, 1] -> (B, 2048), outside autocast."""
        assert self.inception is not None
        with torch.autocast(images.device.type, enabled=False):
            return self.inception(quantise(images))


def _absent(needed: weights.Weights, setting: str) -> str:
    return (
        f"{weights.folder() / needed.file} is missing; fetch {needed.address} into that folder,"
        f" or name the file with callbacks.measures.{setting}."
    )


def _clean(images: Tensor) -> Tensor:
    """In float32 and inside [-1, 1], as measures expect."""
    return images.detach().float().nan_to_num(nan=-1.0).clamp(-1, 1)


def _finite(value: float) -> float | None:
    return value if value == value else None
