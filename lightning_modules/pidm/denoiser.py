"""The one thing that a sampler asks: given a noisy image at a level, what does the network predict, under guidance?"""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_modules.losses.adversarial import at_least_float32
from lightning_modules.pidm.diffusion import Diffusion, Level
from lightning_modules.pidm.guidance import BOTH, Branch, Guidance
from lightning_modules.pidm.network import Network
from lightning_modules.pidm.texture import Texture, expanded, joined


class Denoiser:
    """The network with the conditions of a batch, made ready once: sources are encoded and projected here, not at each step."""

    def __init__(
        self, network: Network, diffusion: Diffusion, guidance: Guidance, structure: Tensor, texture: Texture
    ) -> None:
        """
        Args:
            network: H_N and H_E.
            diffusion: the process that the network was trained for.
            guidance: which predictions are combined, how.
            structure: x_p, (B, S, H, W).
            texture: of x_s, from `Network.texture`.
        """
        self.network, self.diffusion, self.guidance = network, diffusion, guidance
        self.structure, self.texture = structure, texture
        self._nothing: Texture | None = None
        self._prepared: dict[tuple[Branch, ...], tuple[Tensor, Texture]] = {}

    @property
    def size(self) -> int:
        """B."""
        return len(self.structure)

    @property
    def batched(self) -> bool:
        """Whether all predictions of a step are made in one call."""
        if self.guidance.batched is None:
            return self.structure.device.type != "cpu" or self.size == 1
        return self.guidance.batched

    def __call__(self, noisy: Tensor, level: Level) -> tuple[Tensor, Tensor | None]:
        """The guided prediction and the raw variance (None where none is learned), each (B, 3, H, W).

        Where several predictions are combined, the variance may leave its range: it is brought back to it.
        """
        part = level.t / max(self.diffusion.steps - 1, 1)
        weights = self.guidance.weights(part)
        groups = [tuple(weights)] if self.batched else [(branch,) for branch in weights]
        predictions: dict[Branch, Tensor] = {}
        for branches in groups:
            structure, texture = self._conditions(branches)
            t = torch.full((len(structure),), level.t, device=noisy.device)
            repeated = noisy if len(branches) == 1 else noisy.repeat(len(branches), 1, 1, 1)
            output = at_least_float32(self.network(repeated, t, structure, texture))
            predictions.update(zip(branches, output.split(self.size), strict=True))
        prediction, raw_variance = self.diffusion.split(self.guidance.combine(predictions, part))
        if raw_variance is not None and len(weights) > 1:
            raw_variance = raw_variance.clamp(-1, 1)
        return prediction, raw_variance

    def _conditions(self, branches: tuple[Branch, ...]) -> tuple[Tensor, Texture]:
        """Structures and textures of the samples of all branches, one after another."""
        if branches == (BOTH,):
            return self.structure, self.texture
        if branches not in self._prepared:
            structures = [self.structure if branch.pose else torch.zeros_like(self.structure) for branch in branches]
            textures = [self.texture if branch.source else self._no_source() for branch in branches]
            self._prepared[branches] = (torch.cat(structures), joined(textures))
        return self._prepared[branches]

    def _no_source(self) -> Texture:
        """The texture of ∅: of one image of zeros, for the whole batch."""
        if self._nothing is None:
            self._nothing = self.network.texture(self.structure.new_zeros(1, 3, *self.structure.shape[2:]))
        return expanded(self._nothing, self.size)
