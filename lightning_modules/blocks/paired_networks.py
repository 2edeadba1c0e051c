"""The choice of networks that pix2pix and CycleGAN have in common, checked against the size of the images and initialised."""

from __future__ import annotations

from typing import Literal

from torch import nn

from datamodules.bad_input import BadInput
from lightning_modules.blocks.init import InitKind, initialise
from lightning_modules.blocks.norms import NormKind
from lightning_modules.blocks.patch_discriminator import PatchDiscriminator, PixelDiscriminator
from lightning_modules.blocks.resnet_generator import ResNetGenerator
from lightning_modules.blocks.unet_generator import UNetGenerator, Upsampling, deepest_for

GeneratorKind = Literal["resnet", "unet"]
DiscriminatorKind = Literal["patch", "pixel"]
Auto = Literal["auto"]


def make_generator(
    kind: GeneratorKind,
    input_channels: int,
    size: tuple[int, int],
    *,
    width: int,
    depth: int | Auto,
    blocks: int | Auto,
    norm: NormKind,
    bias: bool | None,
    dropout: bool,
    init: InitKind,
    init_gain: float,
    output_channels: int = 3,
    upsampling: Upsampling = "transposed",
) -> nn.Module:
    """A generator of (B, output_channels, H, W) from (B, input_channels, H, W) for images of `size` (height, width).

    Args:
        depth: of a U-Net; auto is the deepest that fits the size.
        blocks: of a ResNet; auto is CycleGAN's 6 for images up to 128 pixels and 9 for larger ones.

    Raises:
        BadInput: the network does not fit the size.
    """
    network: ResNetGenerator | UNetGenerator
    if kind == "unet":
        depth = deepest_for(*size) if depth == "auto" else depth
        if depth < 2:
            fitting = "x".join(str(max(4, round(side / 4) * 4)) for side in size)
            raise BadInput(
                f"A U-Net needs height and width in multiples of 4, not {size[0]}x{size[1]}: resize to {fitting}"
            )
        network = UNetGenerator(
            input_channels, output_channels, depth, width, norm, dropout, bias=bias, upsampling=upsampling
        )
    else:
        blocks = (6 if max(size) <= 128 else 9) if blocks == "auto" else blocks
        network = ResNetGenerator(input_channels, output_channels, blocks, width, norm, dropout, bias=bias)
    network.check_size(*size)
    initialise(network, init, init_gain)
    return network


def make_discriminator(
    kind: DiscriminatorKind,
    input_channels: int,
    size: tuple[int, int],
    *,
    width: int,
    layers: int,
    norm: NormKind,
    bias: bool | None,
    init: InitKind,
    init_gain: float,
) -> nn.Module:
    """A judge of (B, input_channels, H, W) for images of `size` (height, width).

    Args:
        layers: of a patch discriminator.

    Raises:
        BadInput: the network does not fit the size.
    """
    network: PatchDiscriminator | PixelDiscriminator
    if kind == "patch":
        network = PatchDiscriminator(input_channels, width, layers, norm, bias)
    else:
        network = PixelDiscriminator(input_channels, width, norm, bias)
    network.check_size(*size)
    initialise(network, init, init_gain)
    return network


def refuse_fusing_with_batch_norm(norm: NormKind) -> None:
    """
    Raises:
        BadInput: images that share a batch would share its statistics, so fused passes would train something else.
    """
    if norm == "batch":
        raise BadInput(
            "fuse_passes=true puts images into one batch that the method judges separately, which batch norm would mix: "
            "set norm=instance or fuse_passes=false"
        )
