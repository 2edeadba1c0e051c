"""Replicas: procedurally drawn datasets in the files and annotations of the real ones, for those who have no copy.

    python -m datamodules.replica market1501 DIR --identities 32 --seed 0

Every module of this package that has a function `write(directory, *, ...)` is a dataset. A replica appears under its
name only when it is whole, and says in `replica.json` how it was made.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from datamodules.bad_input import BadInput, nearest

CARD = "replica.json"
"""The file that says how a replica was made; only whole ones have it."""
VERSION = 1
"""Raised when the same settings draw other pictures than before."""
_WITHOUT_EFFECT = ("workers", "advance")
"""Settings that say how the work is done, not what comes out."""


def datasets() -> dict[str, ModuleType]:
    """The datasets that can be replicated, by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            if inspect.isfunction(getattr(loaded, "write", None)):
                found[module.name] = loaded
    return found


def settings_of(writer: Callable[..., None]) -> dict[str, inspect.Parameter]:
    """The settings that a dataset's `write` takes, by name."""
    return {
        name: parameter
        for name, parameter in inspect.signature(writer).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def write(name: str, directory: str | Path, **settings: Any) -> Path:
    """Write the replica of a dataset and return its folder.

    The folder appears when all is done. When it is there already and holds the same replica, nothing is done; anything
    else in it is left alone and refused. `settings` are those of `datamodules.replica.<name>.write`.
    """
    known = datasets()
    if name not in known:
        raise BadInput(f"There is no replica of {name!r}, only of {', '.join(known)}.{nearest(name, known)}")
    parameters = settings_of(known[name].write)
    for key in settings:
        if key not in parameters:
            raise BadInput(f"A replica of {name} has no setting {key!r}.{nearest(key, parameters)}")
    given = {key: settings.get(key, parameter.default) for key, parameter in parameters.items()}
    made = {key: value for key, value in given.items() if key not in _WITHOUT_EFFECT}
    card = {"name": name, "version": VERSION, "settings": made}
    directory = Path(directory)
    if _finished(directory, card):
        return directory
    partial = directory.absolute().parent / f".{directory.absolute().name}.{uuid.uuid4().hex[:8]}.partial"
    partial.mkdir(parents=True)
    try:
        known[name].write(partial, **settings)
        (partial / CARD).write_text(json.dumps(card, indent=2) + "\n")
        if directory.is_dir():
            directory.rmdir()
        partial.rename(directory)
    except OSError:
        # Another process may have finished the same replica meanwhile; only then is this one not needed.
        if not _finished(directory, card):
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def _finished(directory: Path, card: dict[str, Any]) -> bool:
    """Whether the folder holds exactly this replica; refuses a folder that holds anything else."""
    if directory.exists() and not directory.is_dir():
        raise BadInput(f"{directory} is a file; give the name of a folder for the replica.")
    if not directory.exists() or not any(directory.iterdir()):
        return False
    try:
        found = json.loads((directory / CARD).read_text())
    except FileNotFoundError:
        raise BadInput(
            f"{directory} is not empty and holds no replica; give another folder, so that nothing of yours is lost."
        ) from None
    except ValueError:
        found = {}
    if found != card:
        raise BadInput(
            f"{directory} holds a replica made with other settings (see {CARD} in it); remove it or give another folder."
        )
    return True
