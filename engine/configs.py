"""The root keys of each command's config, with their types: what `engine.check` holds a composed config against.

Defaults stand in `conf/`, once; here is only what a key is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Section = dict[str, Any]
"""A part of the config that describes an object: its `_target_` and that constructor's arguments."""


@dataclass
class TrainConfig:
    """`python train.py`: fit, validate, test."""

    model: Section
    data: Section
    trainer: Section
    callbacks: dict[str, Section | None]
    """By name; a callback set to null is left out."""
    logger: dict[str, Section | None]
    seed: int
    resume: str | None = None
    init: str | None = None
    """A checkpoint whose networks a new run starts from."""
    test: bool = True
    objective: str | None = None
    name: str | None = None
    """A word for this run, shown by loggers."""


@dataclass
class EvaluateConfig:
    """`python evaluate.py ckpt=...`: the measures of a checkpoint."""

    ckpt: str
    trainer: Section
    callbacks: dict[str, Section | None]
    logger: dict[str, Section | None]
    split: str
    averaged: bool
    """Whether the averaged networks are used where the checkpoint holds them."""
    seed: int
    images: bool
    """Whether every translation is written as an image."""
    model: Section | None = None
    """Settings that replace those of the checkpoint."""
    data: Section | None = None
    """Settings that replace those of the checkpoint, or another dataset."""


@dataclass
class TranslateConfig:
    """`python translate.py ckpt=... source=... structure=... out=...`: a checkpoint on a user's own files."""

    ckpt: str
    out: str
    source: str | None
    structure: str | None
    options: dict[str, Any]
    """Passed to the method's `translate`."""
    batch_size: int
    averaged: bool
    seed: int
    panels: bool
    """Whether what the method offers to look at is written beside each image."""
    device: str
    overwrite: bool
    all_pairs: bool
    """Every source with every structure, and a grid of them."""
    original_size: bool
    """Whether images are brought back to the size of the picture that shows their structure."""
    model: Section | None = None
    data: Section | None = None
