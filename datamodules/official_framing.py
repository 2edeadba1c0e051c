"""The framings of CycleGAN's and pix2pix's code (`data.preprocess`), for a picture and all that belongs to it.

| `data.preprocess` | resized to | cut |
|---|---|---|
| null | load_height x load_width, by torchvision | height x width |
| resize_and_crop | the same by Pillow, as the official code: a grey level apart from null, more at almost the same size | height x width |
| crop | not at all | height x width |
| scale_width | width load_width, in proportion, but for a height of at least `height` | nothing: sizes differ |
| scale_width_and_crop | the same | height x width |
| none | sides rounded to multiples of 4 | nothing: sizes differ |

Evaluation, and translating a user's own files, puts height and width in the place of load_height and load_width, as the
official test does, and cuts the middle. Where sizes differ, a batch holds one pair.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode

from datamodules.bad_input import BadInput
from datamodules.preprocess import CROPS, Preprocess, size_before_crop
from datamodules.transforms import Framing


@dataclass(frozen=True)
class OfficialFraming(Framing):
    """A framing whose sizes depend on the picture's own: `fitted` gives the one for a picture."""

    preprocess: Preprocess = "resize_and_crop"
    down: float = 0.5
    """Where the crop lies between the upper (0) and the lower (1) end of the picture."""
    across: float = 0.5
    """Where it lies between left and right."""

    def drawn(self, rng: np.random.Generator, flip: float) -> Self:
        """A framing at a random place, mirrored with probability `flip`."""
        down, across = rng.random(2)
        return replace(self, down=float(down), across=float(across), mirrored=bool(rng.random() < flip))

    def fitted(self, size: tuple[int, int], name: str) -> Self:
        """See `Framing.fitted`."""
        load = size_before_crop(self.preprocess, size, (self.load_height, self.load_width), (self.height, self.width))
        crop = (self.height, self.width) if self.preprocess in CROPS else load
        if load[0] < crop[0] or load[1] < crop[1]:
            raise BadInput(
                f"{name} is {load[0]} x {load[1]} (height x width), too small for data.preprocess={self.preprocess} to cut "
                f"{crop[0]} x {crop[1]} (data.height x data.width) out of it: choose a smaller size, or scale_width_and_crop"
            )
        # Every place equally often; `down` and `across` are less than 1.
        top, left = (int(part * (load[i] - crop[i] + 1)) for i, part in enumerate((self.down, self.across)))
        return replace(self, height=crop[0], width=crop[1], load_height=load[0], load_width=load[1], top=top, left=left)

    def _resized(self, image: Tensor, interpolation: InterpolationMode) -> Tensor:
        if interpolation != InterpolationMode.BICUBIC:
            return super()._resized(image, interpolation)
        size = self.load_width, self.load_height
        picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
