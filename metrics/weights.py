"""Where the weights of measures lie on this machine: local files only, never a download, never random weights."""

from __future__ import annotations

import hashlib
import pathlib
from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.bad_input import BadInput


@dataclass(frozen=True)
class Weights:
    """A published file of weights."""

    file: str
    """Its name; torch.hub writes the first digits of its SHA-256 into it."""
    address: str
    """Where it can be had."""

    @property
    def digits(self) -> str:
        return self.file.removesuffix(".pth").rsplit("-", 1)[-1]


ALEXNET = Weights("alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth")
INCEPTION_FID = Weights(
    "pt_inception-2015-12-05-6726825d.pth",
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
)
INCEPTION_IMAGENET = Weights(
    "inception_v3_google-0cc3c7bd.pth", "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"
)


def folder() -> pathlib.Path:
    """Where torch keeps published weights: `$TORCH_HOME/hub/checkpoints`."""
    return pathlib.Path(torch.hub.get_dir()) / "checkpoints"


def find(weights: Weights, path: str | None, setting: str) -> pathlib.Path | None:
    """The file of some weights on this machine; None when the user names no file and torch's folder has none.

    Args:
        path: the file that the user names; None looks into torch's folder.
        setting: the setting that held `path`, for the message.

    Raises:
        BadInput: the file that the user names is missing, or the one in torch's folder is not what its name says.
    """
    if path is not None:
        named = pathlib.Path(path).expanduser()
        if not named.is_file():
            raise BadInput(
                f"{setting}={path}: there is no such file; it should be {weights.file} from {weights.address}."
            )
        return named
    cached = folder() / weights.file
    if not cached.is_file():
        return None
    if not hashlib.sha256(cached.read_bytes()).hexdigest().startswith(weights.digits):
        raise BadInput(
            f"{cached} is damaged (its SHA-256 does not start with {weights.digits}); fetch {weights.address} again."
        )
    return cached


def load(path: pathlib.Path) -> dict[str, Tensor]:
    """The state dict of a weights file, without executing anything in it.

    Raises:
        BadInput: the file is not a plain state dict.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadInput(f"{path} is not a file of weights that torch can read ({type(error).__name__}).") from error
    if not isinstance(state, dict):
        raise BadInput(f"{path} holds no dictionary of weights.")
    return state
