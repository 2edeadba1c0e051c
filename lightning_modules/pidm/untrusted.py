"""Reading a pickled file of strangers: tensors and plain containers come through, everything else becomes inert.

`torch.load` with `weights_only` refuses every file that holds an object besides, and published training states hold such
objects, like the configuration that they were made with. Here each class that is unknown has an empty one standing in for it,
which can be filled with anything and does nothing: nothing is imported and no function of the file is called. A file that
mentions what only an attack would need is refused as a whole.
"""

from __future__ import annotations

import _compat_pickle
import collections
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


TENSORS: dict[str, Any] = {
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    "torch.Size": torch.Size,
    "collections.OrderedDict": collections.OrderedDict,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
}
"""What is let through: the parts of tensors, and containers that are no literals of a pickle."""


class Unpickler(pickle.Unpickler):
    """An unpickler to which no name means anything but `TENSORS`; `torch.load` adds the storages that they are views of."""

    def find_class(self, module: str, name: str) -> Any:
        """
        Raises:
            pickle.UnpicklingError: a name that no honest file has.
        """
        named = _today(module, name)
        if named in TENSORS:
            return TENSORS[named]
        if _is_hostile(named):
            raise pickle.UnpicklingError(f"it would call {named}, which no honest checkpoint does")
        return type(name.rpartition(".")[2], (Inert,), {})


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
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise BadInput(f"{path} is a compiled program (TorchScript), no checkpoint: it is refused")
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=sys.modules[__name__], mmap=True)
    except pickle.UnpicklingError as error:
        raise BadInput(f"{path} is refused: {error}") from error
    except (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"{path} cannot be read as a checkpoint: {(str(error).splitlines() or ['damaged'])[0]}"
        ) from error


def _today(module: str, name: str) -> str:
    """A name as this Python has it: older pickles, and those of torch, write the names of Python 2."""
    module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    return f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"


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
