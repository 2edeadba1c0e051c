"""The terms that the swapping autoencoder is trained with, from images and crops alone.

Terms are given raw, by name; their weights are the module's. The adversarial ones are non-saturating: softplus(-logit) to be
taken for real, softplus(logit) to be told from it. Nothing here has a statistic over the batch, so that several batches may
pass a network as one or one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_modules.blocks.equalised import full_precision, without_autocast
from lightning_modules.losses.adversarial import AdversarialLoss
from lightning_modules.swapae.patch_discriminator import PatchDiscriminator

GAN = AdversarialLoss("nonsaturating")
Judge = Callable[[Tensor], Tensor]
"""A network: images (B, 3, H, W) -> logits (B, 1), or crops (B, T, 3, P, P) -> features (B, T, F)."""


def passed(network: Judge, *batches: Tensor, together: bool | None = None) -> Sequence[Tensor]:
    """What a network says of several batches (B, ...).

    Args:
        together: in one pass; None: in one where that is faster. A GPU is better used by one large batch; a processor gains
            nothing from it: batches one after the other stay in its cache.
    """
    if together is None:
        together = batches[0].device.type != "cpu"
    if not together:
        return [network(batch) for batch in batches]
    return network(torch.cat(batches)).split([len(batch) for batch in batches])


def discriminator_terms(judge: Judge, real: Tensor, reconstruction: Tensor, swap: Tensor) -> dict[str, Tensor]:
    """What the image discriminator pays."""
    of_real, of_reconstruction, of_swap = passed(judge, real, reconstruction.detach(), swap.detach())
    return {
        "discriminator_real": GAN.real(of_real),
        "discriminator_reconstruction": GAN.fake(of_reconstruction),
        "discriminator_swap": GAN.fake(of_swap),
    }


def patch_discriminator_terms(
    patches: PatchDiscriminator, reference: Tensor, real: Tensor, swap: Tensor
) -> dict[str, Tensor]:
    """What the patch discriminator pays; crops (B, T, 3, P, P): two sets of the real images, one of those with their style."""
    of_reference, of_real, of_swap = passed(patches.features, reference, real, swap.detach())
    return {
        "patch_discriminator_real": GAN.real(patches.pair(of_reference, of_real)),
        "patch_discriminator_swap": GAN.fake(patches.pair(of_reference, of_swap)),
    }


def gradient_penalties(
    judge: Judge, patches: PatchDiscriminator, real: Tensor, reference: Tensor, target: Tensor
) -> dict[str, Tensor]:
    """R1 of both discriminators (Mescheder et al. 2018, arXiv 1801.04406): squared gradients on real images, and on crops.

    Each is the mean over images of a sum over all pixels (of all crops of an image, references and targets). Computed in
    full precision: squares of small gradients do not survive half precision.

    Args:
        real: (B, 3, H, W).
        reference, target: (B, T, 3, P, P), two sets of crops of them.
    """
    with without_autocast(real), torch.enable_grad():
        leaves = [full_precision(x.detach()).requires_grad_() for x in (real, reference, target)]
        logits = judge(leaves[0]).sum() + patches(*leaves[1:]).sum()
        gradients = torch.autograd.grad(logits, leaves, create_graph=True)
        of_real, of_reference, of_target = (g.square().flatten(1).sum(1).mean() for g in gradients)
    return {"r1": of_real, "patch_r1": of_reference + of_target}


def generator_terms(judge: Judge, real: Tensor, reconstruction: Tensor, swap: Tensor) -> dict[str, Tensor]:
    """What encoder and generator pay for images; `reconstruction` is of the first images of `real`."""
    of_reconstruction, of_swap = passed(judge, reconstruction, swap)
    return {
        "reconstruction": l1(reconstruction, real[: len(reconstruction)]),
        "adversarial_reconstruction": GAN.generator(of_reconstruction),
        "adversarial_swap": GAN.generator(of_swap),
    }


def patch_generator_terms(patches: PatchDiscriminator, reference: Tensor, swap: Tensor) -> dict[str, Tensor]:
    """What encoder and generator pay for crops of a swap whose style is that of the reference crops."""
    with torch.no_grad():
        of_reference = patches.features(reference)
    return {"adversarial_patch": GAN.generator(patches.pair(of_reference, patches.features(swap)))}


def code_consistency(
    content: Tensor, style: Tensor, content_target: Tensor, style_target: Tensor, style_factor: float = 1.0
) -> Tensor:
    """L_CC = L1(C_g, C_A) + λ L1(S_g, S_B): the codes read off a swap against those it was made from (arXiv 2108.08674).

    Codes are of unit length, so a mean over 2048 numbers is far smaller than one over 8: λ = 1 is the formula, about 16
    balances the halves. No gradient flows into the targets.
    """
    return l1(content, content_target.detach()) + style_factor * l1(style, style_target.detach())


def content_alignment(hybrid: Tensor, swap: Tensor, original: Tensor, mask: Tensor, by_area: bool = False) -> Tensor:
    """L_CA = L1(I_h M, I_g M) + L1(I_h (1 - M), I_A (1 - M)): inside M the swap, outside the original (arXiv 2108.08674).

    Args:
        hybrid: I_h (B, 3, H, W), decoded with one style inside the mask and another outside.
        swap: I_g, a fixed target: no gradient flows into it.
        original: I_A.
        mask: M (B, 1, H, W).
        by_area: divide each half by its area; else both are means over the whole image, as the formula says.
    """
    inside = (full_precision(hybrid) - swap.detach()).abs() * mask
    outside = (full_precision(hybrid) - original).abs() * (1 - mask)
    if not by_area:
        return inside.mean() + outside.mean()
    channels = hybrid.shape[1]
    inside, outside = (
        part.sum((1, 2, 3)) / (channels * where.sum((1, 2, 3)).clamp_min(1))
        for part, where in ((inside, mask), (outside, 1 - mask))
    )
    return (inside + outside).mean()


def l1(a: Tensor, b: Tensor) -> Tensor:
    """The mean absolute difference, in full precision."""
    return (full_precision(a) - full_precision(b)).abs().mean()
