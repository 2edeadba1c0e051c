"""Exemplars without a network: which images are alike, told from their annotations alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from datamodules.pairing import nearest_others
from datamodules.structures.structure import POSES, Annotation
from datamodules.table import Table

THUMBNAIL = 8
"""Side of the square that a picture is shrunk to when pictures are compared."""


def exemplars(table: Table, kind: Annotation, classes: int) -> np.ndarray:
    """For each row, the most similar row of another identity; (N,) int32, -1 where there is none.

    Poses are compared by their joints after centring and scaling, label maps by how often each class occurs, pictures by
    their thumbnails.
    """
    if kind in POSES and table.keypoints is not None:
        features, weights = _poses(table.keypoints)
    else:
        with ThreadPoolExecutor(8) as pool:
            features = np.stack(list(pool.map(lambda row: _look(table, row, kind, classes), range(len(table)))))
        weights = np.ones_like(features)
    return nearest_others(features, weights, table.identity)


def _poses(keypoints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints relative to the middle of those that are visible, in units of their spread."""
    visible = keypoints[..., 2:] > 0
    count = np.maximum(visible.sum(1, keepdims=True), 1)
    places = np.where(visible, keypoints[..., :2], 0)
    centred = np.where(visible, places - places.sum(1, keepdims=True) / count, 0)
    spread = np.sqrt((centred**2).sum((1, 2), keepdims=True) / count)
    features = centred / np.maximum(spread, 1e-6)
    weights = np.broadcast_to(visible, features.shape)
    return features.reshape(len(features), -1), weights.reshape(len(features), -1)


def _look(table: Table, row: int, kind: Annotation, classes: int) -> np.ndarray:
    found = table.read_annotation(row, kind)
    if kind == "labels" and found is not None:
        return np.bincount(found.ravel(), minlength=classes)[:classes].astype(np.float32) / found.size
    shown = Image.fromarray(table.read_picture(row) if found is None else found)
    small = shown.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel() / 255
