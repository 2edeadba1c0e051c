"""Features of pictures from a network of timm with weights from a local file, to find images that look alike."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from datamodules.bad_input import BadInput, nearest

log = logging.getLogger(__name__)

BATCH = 32


class TimmFeatures:
    """One vector of length 1 per picture: the network's pooled features, without its classifier."""

    def __init__(self, model: str, weights: Path, device: str = "cpu") -> None:
        """
        Args:
            model: a name that timm knows, such as vgg19.tv_in1k or resnet50.a1_in1k.
            weights: its state dict, as safetensors or as a file of torch.save. Nothing is downloaded.
            device: where the network runs.

        Raises:
            BadInput: timm has no such network, or the file does not hold its weights.
        """
        import timm

        name = model.split(".")[0]
        if not timm.is_model(name):
            raise BadInput(f"timm has no network {model!r} (--model).{nearest(name, timm.list_models())}")
        self.network: torch.nn.Module = timm.create_model(model, pretrained=False, num_classes=0)
        head = timm.get_pretrained_cfg_value(model, "classifier") or "head.fc"
        self._load(weights, name, (head,) if isinstance(head, str) else tuple(head))
        self.network.eval().requires_grad_(False).to(device)
        self.device = device
        settings = timm.data.resolve_model_data_config(self.network)
        self.size: tuple[int, int] = settings["input_size"][1:]
        self.mean, self.std = settings["mean"], settings["std"]
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
        self.made = {"features": "timm", "model": model, "weights": weights.name, "sha256": digest}

    def _load(self, path: Path, architecture: str, heads: tuple[str, ...]) -> None:
        """Load a state dict, of which the classifier (modules of these names) is left out."""
        if not path.is_file():
            raise BadInput(f"the weights {path} do not exist (--weights): download the network's file by hand")
        try:
            if path.suffix == ".safetensors":
                from safetensors.torch import load_file

                found: Any = load_file(path)
            else:
                found = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # damaged files raise anything
            raise BadInput(
                f"{path} holds no weights that can be read ({(str(error) or type(error).__name__).splitlines()[0]})"
            ) from error
        found = found.get("state_dict", found) if isinstance(found, dict) else None
        if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
            raise BadInput(f"{path} holds no state dict (--weights)")
        kept = {key: value for key, value in found.items() if not key.startswith(tuple(f"{name}." for name in heads))}
        try:
            self.network.load_state_dict(kept)
        except RuntimeError as error:
            reason = " ".join(line.strip() for line in str(error).splitlines()[1:2])[:200]
            raise BadInput(f"{path} does not hold the weights of {architecture} ({reason})") from error

    @torch.no_grad()
    def of(self, rows: Sequence[int], read: Callable[[int], np.ndarray], advance: Callable[[int], None]) -> Tensor:
        """(N, D) features of pictures on the CPU, of length 1.

        Args:
            read: the picture of a row, (height, width, 3) uint8.
            advance: is told how many are done.
        """
        found = []
        for start in range(0, len(rows), BATCH):
            pictures = torch.stack([self._framed(read(row)) for row in rows[start : start + BATCH]])
            vectors = self.network(pictures.to(self.device)).flatten(1)
            found.append(torch.nn.functional.normalize(vectors.float(), dim=1).cpu())
            advance(min(start + BATCH, len(rows)))
        return torch.cat(found) if found else torch.zeros(0, 1)

    def _framed(self, pixels: np.ndarray) -> Tensor:
        """A picture squashed to the network's size: what lies at its border is compared too."""
        picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        resized = F.resize(picture, list(self.size), antialias=True)
        return F.normalize(resized.float() / 255, list(self.mean), list(self.std))


def most_alike(
    queries: Tensor, pool: Tensor, query_identity: np.ndarray, pool_identity: np.ndarray, chunk: int = 1024
) -> np.ndarray:
    """(Q,) int32: the place in the pool of the vector of another identity that is closest to each query; -1 for none."""
    found = np.full(len(queries), -1, np.int32)
    if len(pool) == 0:
        return found
    for start in range(0, len(queries), chunk):
        part = slice(start, start + chunk)
        likeness = queries[part] @ pool.T
        same = query_identity[part, None] == pool_identity[None]
        likeness[torch.from_numpy(same)] = -torch.inf
        value, best = likeness.max(1)
        found[part] = np.where(torch.isfinite(value).numpy(), best.numpy(), -1)
    return found
