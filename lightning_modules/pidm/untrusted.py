"""Reading a pickled file of strangers: tensors and plain containers come through, everything else becomes inert.

torch's own restricted unpickler does the reading. The names of all classes and functions that a file mentions are known before
anything of it is read; for each that torch does not know to be harmless an empty class stands in, which can be filled with
anything and does nothing. A file that mentions what only an attack would need is refused as a whole.
"""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from datamodules.bad_input import BadInput

HARMLESS = {
    "builtins": {
        "bytearray",
        "complex",
        "dict",
        "frozenset",
        "getattr",
        "int",
        "list",
        "object",
        "set",
        "slice",
        "str",
        "tuple",
    },
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "copyreg": {"_reconstructor", "__newobj__"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "decimal": {"Decimal"},
    "enum": {"Enum", "IntEnum"},
    "functools": {"partial"},
    "pathlib": {"Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath"},
    "types": {"SimpleNamespace"},
    "uuid": {"UUID"},
}
"""What a pickled configuration may mention of the standard library: module -> names. Even these are only stood in for."""


class Inert:
    """Stands in for an object that is not built: takes any arguments and any state, and does nothing with them."""

    def __new__(cls, *_: Any, **__: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """Items that a pickle adds to a list-like object."""

    def extend(self, items: Any) -> None:
        """The same, several at once."""


def read(path: str | Path) -> Any:
    """The contents of a file written by `torch.save`, in which only tensors and plain containers are real.

    Raises:
        BadInput: there is no such file, it is not written by torch 1.6 or later, is damaged, or mentions functions that an
            honest checkpoint has no use for.
    """
    if not Path(path).is_file():
        raise BadInput(f"{path}: there is no such file")
    if not zipfile.is_zipfile(path):
        raise BadInput(f"{path} is no checkpoint of torch 1.6 or later, or was cut off while it was copied")
    try:
        mentioned = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
        hostile = [name for name in mentioned if _is_hostile(name)]
        if hostile:
            raise BadInput(f"{path} would call {hostile[0]}, which no honest checkpoint does: it is refused")
        stand_ins = [(type(name.rpartition(".")[2], (Inert,), {}), name) for name in mentioned]
        with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path} cannot be read as a checkpoint: {(str(error).splitlines() or ['damaged'])[0]}"
        ) from error


def _is_hostile(name: str) -> bool:
    """Whether a name is of the standard library or torch, and not one that only describes data."""
    module, _, entry = name.rpartition(".")
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names or package in {"__builtin__", "torch", "numpy"}:
        return entry not in HARMLESS.get(module, set()) and not _describes_numbers(name)
    return False


def _describes_numbers(name: str) -> bool:
    """numpy's own records of scalars and arrays, and what torch says of sizes and devices."""
    return name in {
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.multiarray._reconstruct",
        "torch.Size",
        "torch.device",
    }
