"""`python -m datamodules.replica NAME DIR ...`: write a replica of a dataset.

The options are the settings of the dataset's `write`, read from its signature and docstring.
"""

from __future__ import annotations

import argparse
import inspect
import re
import typing
from collections.abc import Sequence
from types import ModuleType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from datamodules.bad_input import exits_with_one_sentence
from datamodules.replica import datasets, settings_of, write


def parser() -> argparse.ArgumentParser:
    """One sub-command per dataset."""
    root = argparse.ArgumentParser(
        prog="python -m datamodules.replica",
        description="Write a procedurally drawn dataset in the layout of a real one.",
    )
    names = root.add_subparsers(dest="name", required=True, metavar="NAME", title="datasets")
    for name, module in datasets().items():
        _add_dataset(names, name, module)
    return root


def _add_dataset(names: argparse._SubParsersAction[argparse.ArgumentParser], name: str, module: ModuleType) -> None:
    summary = (inspect.getdoc(module) or "").split("\n")[0]
    dataset = names.add_parser(
        name, help=summary, description=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    dataset.add_argument("directory", help="folder to write; it must not exist, be empty, or hold the same replica")
    kinds = typing.get_type_hints(module.write)
    for key, parameter in settings_of(module.write).items():
        if key == "advance":
            continue
        option = "--" + key.replace("_", "-")
        about = _about(module, key)
        if kinds[key] is bool:
            dataset.add_argument(option, action=argparse.BooleanOptionalAction, default=parameter.default, help=about)
        else:
            dataset.add_argument(option, type=kinds[key], default=parameter.default, help=about)


def _about(module: ModuleType, key: str) -> str:
    """What the docstring of `write` says of a setting, in a line `key: ...` or `key, other: ...`."""
    line = re.search(rf"^(?:\w+, )*{key}(?:, \w+)*: (.+)$", inspect.getdoc(module.write) or "", re.MULTILINE)
    return line.group(1).replace("%", "%%") if line else " "


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the replica that the command line asks for."""
    settings = vars(parser().parse_args(arguments))
    name, directory = settings.pop("name"), settings.pop("directory")
    with Progress("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(f"drawing {name}", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        where = write(name, directory, advance=advance, **settings)
    print(f"{name} is ready in {where}")


if __name__ == "__main__":
    exits_with_one_sentence(main)()
