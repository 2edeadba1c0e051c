"""The terms of CoCosNet's objective, each a function of tensors alone; weights and conditions are the module's.

Features are those of VGG19 (`lightning_modules.losses.perceptual`): r12 is the output of relu1_2, and so on. Every term is
the mean over samples of something that one sample decides, so batch size and number of devices do not change it. Where
the official code divides by counts of the batch that one GPU happens to hold, the factor is an argument or a weight here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules.cocosnet.correspondence import resize_nearest
from lightning_modules.losses.adversarial import at_least_float32

Features = Mapping[str, Tensor]
Centre = Literal["place", "channel", "none"]

FEATURE_MATCHING_WEIGHTS = {"r12": 1 / 32, "r22": 1 / 16, "r32": 1 / 8, "r42": 1 / 4, "r52": 1.0}
CONTEXTUAL_LEVELS = {"r52": (8.0, 1), "r42": (4.0, 1), "r32": (2.0, 2), "r22": (1.0, 4)}
"""Layer -> (weight, factor by which its size is reduced first). r22 only counts where asked for."""


def domain_alignment(structure: Tensor, truth: Tensor) -> Tensor:
    """L_domain: L1 distance of F_A→S(x_A) and F_B→S(its photo), both (B, C, h, w) of length 1 at each position."""
    return F.l1_loss(structure, truth)


def feature_matching(fake: Features, real: Features, factor: Tensor) -> Tensor:
    """L_feat: where the exemplar is a pseudo exemplar the ground truth is known, and the translation should match it.

    Σ_k w_k mean |φ_k(fake) − φ_k(real)|, each sample times `factor` (B,): 0 without a pseudo exemplar, and see
    `pseudo_factor` otherwise. `real` gets no gradient.
    """
    total = fake["r12"].new_zeros(())
    for layer, weight in FEATURE_MATCHING_WEIGHTS.items():
        total = total + weight * weighted_l1(fake[layer], real[layer].detach(), factor)
    return total


def self_warp(warped: Tensor, real: Tensor, factor: Tensor) -> Tensor:
    """L_reg on pairs whose ground truth is known: the warped exemplar is the ground truth, |r − x_B|; all (B, 3, H, W)."""
    return weighted_l1(warped, real, factor)


def reconstruction(fake: Tensor, real: Tensor, factor: Tensor) -> Tensor:
    """On the same pairs, |translation − x_B| in pixels. Not in the paper: it stands in for L_feat where VGG's weights are not
    at hand; all (B, 3, H, W)."""
    return weighted_l1(fake, real, factor)


def weighted_l1(x: Tensor, y: Tensor, factor: Tensor) -> Tensor:
    """Mean |x − y|, each sample times its factor."""
    return ((at_least_float32(x) - at_least_float32(y)).abs().flatten(1).mean(dim=1) * factor).mean()


def pseudo_factor(share: float, published_batch: int = 4) -> float:
    """What multiplies a pseudo sample's term so that its expectation is that of the published runs at any batch size.

    The official code divides the sum over the n pseudo samples of one GPU's batch of B = 4 by n · B, and a batch without
    any adds nothing: in expectation a pseudo sample's term times (1 − (1 − p)^B) / B, where a share p of all samples are
    pseudo. A mean over all samples meets a share p of them, hence the division by p.

    Args:
        share: p, the probability that a sample has a pseudo exemplar; 0.3 in the published runs, 1 on DeepFashion.
        published_batch: B.
    """
    if share <= 0:
        return 0.0
    return (1 - (1 - share) ** published_batch) / (published_batch * share)


def perceptual(fake: Tensor, real: Tensor) -> Tensor:
    """L_perc: mean squared difference of one deep layer of translation and ground truth; `real` gets no gradient."""
    return F.mse_loss(at_least_float32(fake), at_least_float32(real.detach()))


def contextual_levels(
    fake: Features, exemplar: Features, *, with_r22: bool = False, centre: Centre = "place"
) -> Tensor:
    """L_context: Σ_k w_k · contextual loss of layer k, over samples; the translation's features occur in the exemplar's.

    The seed and the paper speak of shallow layers; the published runs compare relu3_2, relu4_2 and relu5_2.
    """
    total = fake["r52"].new_zeros(())
    for layer, (weight, reduction) in CONTEXTUAL_LEVELS.items():
        if layer == "r22" and not with_r22:
            continue
        x, y = (F.avg_pool2d(features[layer], reduction) for features in (fake, exemplar))
        total = total + weight * contextual(x, y, centre=centre).mean()
    return total


def contextual(
    x: Tensor,
    y: Tensor,
    *,
    bandwidth: float = 0.1,
    eps: float = 1e-3,
    centre: Centre = "place",
    best_of: Literal["y", "x"] = "y",
) -> Tensor:
    """Contextual loss (Mechrez et al. 2018, arXiv 1803.02077) of each sample, (B,).

    −log mean_i max_j A_ij with A_ij = softmax_j((1 − d_ij / (min_j d_ij + eps)) / bandwidth), d = 1 − cosine.

    Args:
        x: (B, C, h, w) features of the translation.
        y: (B, C, h, w) features of the exemplar, without gradient.
        bandwidth: h.
        eps: added to the smallest distance.
        centre: subtract from both what y has on average over channels at the same place (published, with PONO), or over
            places in the same channel, or nothing.
        best_of: for every place of x its best of y (published), or for every place of y its best of x (the usual form).
    """
    with torch.autocast(x.device.type, enabled=False):
        x, y = at_least_float32(x), at_least_float32(y.detach())
        if centre != "none":
            mean = y.mean(dim=1 if centre == "place" else (2, 3), keepdim=True)
            x, y = x - mean, y - mean
        x, y = (F.normalize(side.flatten(2), dim=1, eps=1e-12) for side in (x, y))
        distance = 1 - torch.bmm(x.transpose(1, 2), y)
        relative = distance / (distance.amin(dim=2, keepdim=True) + eps)
        affinity = ((1 - relative) / bandwidth).softmax(dim=2)
        return -affinity.amax(dim=2 if best_of == "y" else 1).mean(dim=1).log()


def mask_regularisation(warped: Tensor, target: Tensor, exemplar: Tensor, *, per_sample: bool = True) -> Tensor:
    """L_mask: the exemplar's labels, warped, are the structure's: negative log-likelihood of the target's label.

    A place does not count where the target's label is 0 (unlabelled, background) or does not occur in the exemplar.

    Args:
        warped: (B, S, h, w) warped one-hot labels of the exemplar.
        target, exemplar: (B, S, H, W) one-hot labels; reduced to h x w.
        per_sample: average over the places of each sample, then over samples. The official code averages over all places
            of one GPU's batch (False), which weighs a sample by how much of it counts.
    """
    target, exemplar = (resize_nearest(side, warped.shape[-2:]) for side in (target, exemplar))
    label = target.argmax(dim=1, keepdim=True)
    occurs = exemplar.flatten(2).amax(dim=2) > 0
    counts = occurs.gather(1, label.flatten(1)).view_as(label) & (label != 0)
    likelihood = at_least_float32(warped).gather(1, label)
    loss = (-(likelihood + 1e-10).log() * counts).flatten(1).sum(dim=1)
    places = counts.flatten(1).sum(dim=1)
    if per_sample:
        return (loss / (places + 1e-5)).mean()
    return loss.sum() / (places.sum() + 1e-5)


def cycle(returned: Tensor, exemplar: Tensor) -> Tensor:
    """L_reg: the exemplar, warped to the structure and back, is itself again: |returned − exemplar|.

    `returned` is (B, 3, h, w) of pixels or (B, 3, H, W) of patches; `exemplar` (B, 3, H, W) is averaged to its size.
    """
    reduction = exemplar.shape[-1] // returned.shape[-1]
    return F.l1_loss(at_least_float32(returned), F.avg_pool2d(at_least_float32(exemplar), reduction))


def discriminator_feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """L1 distance of a discriminator's features of translation and photo: summed over layers, averaged over scales."""
    total = fake[0][0].new_zeros(())
    for fakes, reals in zip(fake, real, strict=True):
        for x, y in zip(fakes[:-1], reals[:-1], strict=True):
            total = total + F.l1_loss(at_least_float32(x), at_least_float32(y.detach()))
    return total / len(fake)


def over_scales(term: Callable[[Tensor], Tensor], outputs: Sequence[Sequence[Tensor]]) -> Tensor:
    """An adversarial term of the logits (each scale's last output), averaged over scales."""
    return torch.stack([term(scale[-1]) for scale in outputs]).mean()
