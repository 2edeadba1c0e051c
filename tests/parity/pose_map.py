"""The 20 maps of a pose, from what the official loaders read to what their networks see. Equal to the bit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from datamodules.structures.pose_map import PoseMap
from datamodules.transforms import Framing
from tests.parity.golden import Compared, Golden, compares


def maps_of(points: np.ndarray, frame: tuple[int, int], framing: Framing) -> Tensor:
    """(20, H, W) in 0 ... 255."""
    annotation = framing.annotation(points.astype(np.float32), "skeleton", frame)
    assert annotation is not None
    picture = torch.zeros(1, 3, framing.height, framing.width, dtype=torch.uint8)
    return PoseMap().maps(annotation[None], picture)[0] * 255


@compares("Dataset.get_label_tensor / trans_keypoins (data/fashion_data.py) of ankanbhunia/PIDM")
def pidm(golden: Golden) -> Iterator[Compared]:
    """Keypoints of a 256 x 256 frame whose columns 40 ... 215 are what the picture shows."""
    read = np.array(golden.spec["inputs"]["keypoints"])
    visible = (read != -1).all(1, keepdims=True)
    points = np.concatenate([np.where(visible, read - (40, 0), 0), visible], axis=1)
    for name, case in golden.spec["inputs"]["cases"].items():
        height, width = case["canvas"]
        load_height, load_width = case["param"].get("scale_size", (height, width))
        left, top = case["param"].get("crop_param", (0, 0))[:2]
        framing = Framing(height, width, load_height, load_width, top, left)
        yield Compared(name, maps_of(points, (256, 176), framing).round(), golden.outputs[name], 0)


@compares("DeepFashionDataset.get_label_tensor (microsoft/CoCosNet")
def cocosnet(golden: Golden) -> Iterator[Compared]:
    """Peaks of OpenPose, drawn at the size of the picture."""
    candidate, subset = (np.array(golden.spec["inputs"][name]["values"]) for name in ("candidate", "subset"))
    peaks = subset[:18].astype(int)
    visible = (peaks >= 0)[:, None]
    points = np.concatenate([np.where(visible, candidate[peaks, :2], 0), visible], axis=1)
    ours = maps_of(points, (256, 256), Framing.whole(256, 256))
    yield Compared("label", ours.round(), golden.outputs["label_uint8"], 0)
