"""The networks that pix2pix and CycleGAN share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.blocks import official_names
from lightning_modules.blocks.unet_generator import UNetGenerator
from tests.parity.golden import DTYPES, Compared, Golden, compares

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "ResnetGenerator": official_names.resnet_generator,
    "UnetGenerator": official_names.unet_generator,
    "NLayerDiscriminator": official_names.patch_discriminator,
    "PixelDiscriminator": official_names.pixel_discriminator,
}
IMPLIED = ("affine", "track_running_stats")
"""Words of a golden's config that say of the official norm what is always so."""


@compares(*(f"{name} in models/networks.py of junyanz/" for name in BUILDERS))
def network(golden: Golden) -> Iterator[Compared]:
    kind = golden.network.split(" ", 1)[0]
    words = {name: value for name, value in golden.config.items() if name not in IMPLIED}
    ours = BUILDERS[kind](**words)
    state = golden.state()
    official_names.load_state(ours, state)
    dtype = DTYPES[golden.spec.get("dtype", "float32")]
    ours.to(dtype).train(golden.spec.get("mode", "eval") == "train")
    taps = {name: _tap(ours, name) for name in golden.outputs if name != "y"}
    with torch.no_grad():
        y = ours(golden.input("x", dtype))
        yield Compared("y", y, golden.outputs["y"])
        for name, tap in taps.items():
            yield Compared(name, tap(), golden.outputs[name])
        # What the entries alone tell must be the same network.
        hidden = {name: words[name] for name in ("padding_type", "use_dropout") if name in words}
        told = official_names.load(state, **hidden).to(dtype).train(ours.training)
        yield Compared("y of the network told by the entries", told(golden.input("x", dtype)), y)


def _tap(network: nn.Module, name: str) -> Callable[[], Tensor]:
    """What a module puts out (or takes in) during the next forward pass, by the golden's word for it."""
    if name == "down":
        return _seen(network.blocks[0], takes_in=True)
    if name == "blocks":
        return _seen(network.blocks[-1])
    if name == "bottleneck":
        return _seen(network.downs[-1])
    if name.startswith("feat"):
        return _seen(network.stages[int(name.removeprefix("feat"))])
    if name.startswith("inner"):  # the n-th block from the innermost; it puts out its (activated) input and its own
        assert isinstance(network, UNetGenerator)
        tapped = _seen(network.ups[network.depth - 1 - int(name.removeprefix("inner"))], takes_in=True)

        def activated() -> Tensor:
            skip, up = tapped().chunk(2, dim=1)
            return torch.cat([F.leaky_relu(skip, 0.2), up], dim=1)

        return activated
    raise NotImplementedError(f"{name}: this test does not know which features of {type(network).__name__} are meant")


def _seen(module: nn.Module, takes_in: bool = False) -> Callable[[], Tensor]:
    values: list[Tensor] = []
    module.register_forward_hook(lambda _, inputs, output: values.append(inputs[0] if takes_in else output))
    return lambda: values[0]
