"""What published loaders do for each item, written plainly: the measure of `benchmarks.data`.

Decode with Pillow, resize, draw maps at full size item by item with NumPy and OpenCV, hand out floating point tensors. The
keypoints, files and pairs are those of this project's own dataset, so that both sides read and draw the same.

For DeepFashion it joins what several do. As GFLA it reads the stored photographs, but resizes them bicubically, as this
project does, and does not deform them. As CoCosNet and PIDM it draws 20 maps, with the steps of their code. These read smaller
pictures: CoCosNet those of 256 x 256, NTED and PIDM PNGs that were resized once into a database, which is what
`data.cache=packed` stands for. Left out is what is not needed for the result: a text file of the pose read at every use,
in CoCosNet the picture decoded once more for its size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import to_tensor

from datamodules.pair_dataset import PairDataset
from datamodules.structures.pose import MIRROR
from datamodules.structures.pose_map import COLOURS, LIMBS

Drawing = Callable[[np.ndarray, int, int], Tensor]
LabelFile = Callable[[int], str]


class ReferenceLoader(Dataset):
    """The items of a `PairDataset`, made as published loaders make them."""

    def __init__(self, dataset: PairDataset, draw: Drawing | None, label_file: LabelFile | None, seed: int = 0) -> None:
        """
        Args:
            dataset: where pairs, files and keypoints are taken from.
            draw: keypoints (18, 3), height and width to maps (S, height, width); None: label maps.
            label_file: the path of a row's label map.
        """
        self.dataset, self.draw, self.label_file = dataset, draw, label_file
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Tensor | str]:
        rows = self.dataset.pairs.pick(index, self.rng)
        item: dict[str, Tensor | str] = {}
        for side, row in zip(("source", "target"), rows, strict=True):
            item[side], item[f"{side}_structure"] = self._side(row)
            item[f"{side}_key"] = self.dataset.table.key(row)
        return item

    def _side(self, row: int) -> tuple[Tensor, Tensor]:
        framing = self.dataset.framing
        stored = Image.open(self.dataset.table.path(row)).convert("RGB")
        size = framing.load_width, framing.load_height
        top = int(self.rng.integers(framing.load_height - framing.height + 1))
        left = int(self.rng.integers(framing.load_width - framing.width + 1))
        mirrored = self.rng.random() < self.dataset.flip

        def framed(image: Image.Image, method: Image.Resampling) -> Image.Image:
            image = image.resize(size, method).crop((left, top, left + framing.width, top + framing.height))
            return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image

        picture = to_tensor(framed(stored, Image.Resampling.BICUBIC)).sub(0.5).div(0.5)
        if self.draw is None:
            assert self.label_file is not None
            labels = framed(Image.open(self.label_file(row)), Image.Resampling.NEAREST)
            # As SPADE and CoCosNet hand them out: one channel of floating point numbers, one-hot on the device.
            return picture, to_tensor(labels).mul(255)
        assert self.dataset.table.keypoints is not None
        points = self.dataset.table.keypoints[row].copy()
        frame = getattr(self.dataset.table, "frame", (stored.height, stored.width))
        points[:, 0] = points[:, 0] * framing.load_width / frame[1] - left
        points[:, 1] = points[:, 1] * framing.load_height / frame[0] - top
        if mirrored:
            points[:, 0] = framing.width - 1 - points[:, 0]
            points = points[MIRROR]
        return picture, self.draw(points, framing.height, framing.width)


def gaussian_maps(points: np.ndarray, height: int, width: int, sigma: float = 6.0) -> Tensor:
    """(18, height, width): a Gaussian per joint over the whole picture, as pose transfer draws them since PATN."""
    maps = np.zeros((height, width, len(points)), np.float32)
    for joint, (x, y, visible) in enumerate(points):
        if visible > 0:
            columns, rows = np.meshgrid(np.arange(width), np.arange(height))
            maps[..., joint] = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
    return torch.from_numpy(maps.transpose(2, 0, 1).copy())


def skeleton_and_distances(points: np.ndarray, height: int, width: int) -> Tensor:
    """(20, height, width): the drawing of CoCosNet, NTED and PIDM with the steps of their code: a limb is drawn over a copy of
    the whole skeleton and by itself, and the tensor of each distance is appended to that of those before."""
    places = (points[:, :2] + np.copysign(1e-4, points[:, :2])).astype(np.float64)
    visible = points[:, 2] > 0
    canvas = np.zeros((height, width, 3), np.uint8)
    for joint in np.flatnonzero(visible):
        cv2.circle(canvas, (int(places[joint, 0]), int(places[joint, 1])), 4, COLOURS[joint], thickness=-1)
    limbs = []
    for number, (first, second) in enumerate(LIMBS):
        over, limb = canvas.copy(), np.zeros((height, width), np.uint8)
        if visible[first] and visible[second]:
            dx, dy = points[first, :2].astype(np.float64) - points[second, :2]
            middle = (points[first, :2].astype(np.float64) + points[second, :2]) / 2
            middle += np.copysign(1e-4, middle)
            half, angle = np.hypot(dx, dy) / 2 + 1e-4, np.degrees(np.arctan2(dy, dx))
            polygon = cv2.ellipse2Poly(
                (int(middle[0]), int(middle[1])), (int(half), 4), int(angle + np.copysign(1e-4, angle)), 0, 360, 1
            )
            cv2.fillConvexPoly(over, polygon, COLOURS[number])
            canvas = cv2.addWeighted(canvas, 0.4, over, 0.6, 0)
            cv2.fillConvexPoly(limb, polygon, 255)
            limb = cv2.addWeighted(limb, 0.4, limb, 0.6, 0)
        limbs.append(limb)
    maps = to_tensor(Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)))
    distances: Tensor | None = None
    for limb in limbs:
        distance = np.clip(cv2.distanceTransform(255 - limb, cv2.DIST_L1, 3) / 3, 0, 255).astype(np.uint8)
        found = to_tensor(Image.fromarray(distance))
        distances = found if distances is None else torch.cat([distances, found])
    assert distances is not None
    return torch.cat([maps, distances])


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """(B, classes, H, W) of labels (B, 1, H, W): what these methods do with a batch of label maps."""
    maps = torch.zeros(len(labels), classes, *labels.shape[-2:])
    return maps.scatter_(1, labels.long(), 1.0)


def merged_faces(masks: Path, to: Path, images: list[int]) -> None:
    """Write the label maps that published loaders read, as the authors' own script merges them once."""
    from datamodules.face_masks import find_masks
    from datamodules.structures.face_parts import labels_of

    to.mkdir(parents=True, exist_ok=True)
    found = find_masks(masks, "parts", None)
    assert found is not None
    for image in images:
        path = to / f"{image}.png"
        if not path.exists():
            Image.fromarray(labels_of(found.stack(image), "official")).save(path)
