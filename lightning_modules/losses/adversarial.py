"""Adversarial losses: what a discriminator's raw scores cost its two players, and the penalty on its gradient.

All are means over every score, computed in float32 (float64 stays), whatever precision the networks run in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

AdversarialMode = Literal["lsgan", "vanilla", "nonsaturating", "wgangp", "hinge"]


class AdversarialLoss:
    """The three terms of an adversarial game, by mode.

    | mode | real: D(real) | fake: D(fake) | generator: D(fake) |
    | --- | --- | --- | --- |
    | lsgan (Mao et al. 2017, arXiv 1611.04076) | (s - 1)² | s² | (s - 1)² |
    | vanilla, nonsaturating (Goodfellow et al. 2014, arXiv 1406.2661) | softplus(-s) | softplus(s) | softplus(-s) |
    | wgangp (Gulrajani et al. 2017, arXiv 1704.00028) | -s | s | -s |
    | hinge (Lim & Ye 2017, arXiv 1705.02894) | relu(1 - s) | relu(1 + s) | -s |

    The generator's vanilla term is the one that people train with, -log D, not log(1 - D), whose gradient vanishes when the
    discriminator wins. wgangp needs `gradient_penalty` on top.
    """

    def __init__(self, mode: AdversarialMode) -> None:
        modes: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
            "lsgan": (lambda s: (s - 1).square(), torch.square, lambda s: (s - 1).square()),
            "vanilla": (lambda s: F.softplus(-s), F.softplus, lambda s: F.softplus(-s)),
            "wgangp": (torch.neg, lambda s: s, torch.neg),
            "hinge": (lambda s: F.relu(1 - s), lambda s: F.relu(1 + s), torch.neg),
        }
        modes["nonsaturating"] = modes["vanilla"]
        self.mode = mode
        self._real, self._fake, self._generator = modes[mode]

    def real(self, scores: Tensor) -> Tensor:
        """What the discriminator pays for its scores of real images."""
        return self._real(at_least_float32(scores)).mean()

    def fake(self, scores: Tensor) -> Tensor:
        """What the discriminator pays for its scores of generated images."""
        return self._fake(at_least_float32(scores)).mean()

    def generator(self, scores: Tensor) -> Tensor:
        """What the generator pays for the discriminator's scores of its images."""
        return self._generator(at_least_float32(scores)).mean()


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    *,
    mix: Tensor | None = None,
    norm: float = 1.0,
) -> Tensor:
    """Mean of (‖∇D(x)‖ - norm)² over points x on the lines between real and fake images (arXiv 1704.00028, equation 3).

    Args:
        discriminator: (B, C, H, W) -> scores, of which the sum over all is differentiated.
        real: (B, C, H, W); with a condition, images and conditions concatenated.
        fake: the same for generated images; no gradient flows back into them.
        mix: (B,) share of the real image at each point; None draws it uniformly.
        norm: the length that gradients should have.
    """
    real, fake = at_least_float32(real.detach()), at_least_float32(fake.detach())
    if mix is None:
        mix = torch.rand(len(real), device=real.device, dtype=real.dtype)
    mix = mix.view(-1, 1, 1, 1)
    with torch.autocast(real.device.type, enabled=False):  # squares of small gradients do not survive half precision
        points = (mix * real + (1 - mix) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(points).sum(), points, create_graph=True)
        # The square root has no gradient at 0: the elements are kept away from it.
        lengths = (gradient.flatten(1) + 1e-16).norm(dim=1)
    return (lengths - norm).square().mean()


def at_least_float32(x: Tensor) -> Tensor:
    """Half precisions become float32; float32 and float64 stay."""
    return x if x.dtype == torch.float64 else x.float()
