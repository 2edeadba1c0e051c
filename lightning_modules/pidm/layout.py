"""The layout that noise predictor and texture encoder share: which blocks there are, how wide, and where texture is mixed in.

The texture encoder repeats the downward side of the noise predictor block by block, so that feature k of the one has the size
of feature k of the other. Block numbers count from the first convolution, which is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from datamodules.bad_input import BadInput

Mix = Literal["attention", "concatenation", "input"]


@dataclass(frozen=True)
class Block:
    """One residual block of a side, and what follows it."""

    in_channels: int
    out_channels: int
    level: int
    halves: bool = False
    """Whether it halves the size on its way into `level` (downward side)."""
    lateral_channels: int = 0
    """Of the downward feature that is concatenated to its input (upward side)."""
    reads: int | None = None
    """The number of the source's feature that is mixed in after it, if any."""
    reads_channels: int = 0
    doubles: bool = False
    """Whether a further residual block after it doubles the size (upward side)."""


@dataclass(frozen=True)
class Layout:
    """Widths and depths of a U-Net in the words of the config; see `Network` for what they mean."""

    channels: int = 128
    multipliers: Sequence[int] = (1, 1, 2, 2, 4, 4)
    blocks: int = 2
    attention_strides: Sequence[int] = (8, 16, 32)
    mix: Mix = "attention"
    groups: int = 32
    """Of every group norm."""

    def __post_init__(self) -> None:
        if not self.multipliers or min(self.multipliers) < 1 or self.channels < 1 or self.blocks < 1:
            raise BadInput(
                f"model.channels={self.channels}, model.multipliers={list(self.multipliers)} and model.blocks={self.blocks} must "
                "be at least 1"
            )
        strides = [2**level for level in range(len(self.multipliers))]
        wrong = [stride for stride in self.attention_strides if stride not in strides]
        if wrong:
            raise BadInput(
                f"model.attention_strides has {wrong[0]}, but with {len(strides)} levels (model.multipliers) features are "
                f"{', '.join(map(str, strides))} times smaller than the image"
            )

    @property
    def levels(self) -> int:
        return len(self.multipliers)

    @property
    def stride(self) -> int:
        """How many times smaller than the image the smallest features are."""
        return int(2 ** (self.levels - 1))

    @property
    def widths(self) -> list[int]:
        """Channels of each level, from the image's size down."""
        return [self.channels * multiplier for multiplier in self.multipliers]

    def normalised(self) -> list[int]:
        """Channels of all features that residual blocks normalise, each once."""
        blocks = [*self.down(), self.middle(), *self.up()]
        return sorted(
            {self.channels} | {width for block in blocks for width in (block.in_channels, block.out_channels)}
        )

    def down(self) -> list[Block]:
        """Blocks 1, 2 ... of the downward side: `blocks` to a level, then one that halves the size."""
        found: list[Block] = []
        width = self.channels
        for level, out in enumerate(self.widths):
            if level > 0:
                found.append(self._mixed(Block(width, width, level, halves=True), len(found) + 1, width, last=False))
            for position in range(self.blocks):
                last = position == self.blocks - 1
                found.append(self._mixed(Block(width, out, level), len(found) + 1, out, last))
                width = out
        return found

    def middle(self) -> Block:
        """The first of the two blocks between the sides; it always reads the source."""
        width, number = self.widths[-1], len(self.down())
        last = Block(width, width, self.levels - 1)
        return last if self.mix == "input" else Block(width, width, last.level, reads=number, reads_channels=width)

    def up(self) -> list[Block]:
        """The upward side: `blocks` + 1 to a level, each with a lateral, last in, first out."""
        laterals = [self.channels, *(block.out_channels for block in self.down())]
        found: list[Block] = []
        width = self.widths[-1]
        for level in reversed(range(self.levels)):
            for position in range(self.blocks + 1):
                number = len(laterals) - 1
                lateral, out = laterals.pop(), self.widths[level]
                doubles = level > 0 and position == self.blocks
                block = Block(width + lateral, out, level, lateral_channels=lateral, doubles=doubles)
                found.append(self._mixed(block, number, lateral, last=position == self.blocks - 1))
                width = out
        return found

    def reads(self) -> list[int]:
        """The numbers of the source's features that the mixing blocks read, in the order in which they come."""
        blocks = [*self.down(), self.middle(), *self.up()]
        return [block.reads for block in blocks if block.reads is not None]

    def _mixed(self, block: Block, number: int, channels: int, last: bool) -> Block:
        """The block, reading the source's feature `number` where the layout says so.

        Attention follows the last block of a level on the way down and the last but one on the way up; concatenation every
        block, layer by layer.
        """
        attends = self.mix == "attention" and last and 2**block.level in self.attention_strides
        if not attends and self.mix != "concatenation":
            return block
        return Block(**{**block.__dict__, "reads": number, "reads_channels": channels})
