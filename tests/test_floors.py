"""The four floors of the house: an import only goes down, and methods and datasets know nothing of each other."""

from __future__ import annotations

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
OWN = {
    "benchmarks",
    "callbacks",
    "datamodules",
    "engine",
    "lightning_modules",
    "metrics",
    "train",
    "evaluate",
    "translate",
}
BOTTOM = {"datamodules.batch", "datamodules.bad_input", "datamodules.reading"}
"""The contract, and how a file is read."""
METHODS = sorted(p.name for p in (ROOT / "lightning_modules").iterdir() if (p / "module.py").is_file())
SHARED = ["blocks", "losses"]


def imports(file: pathlib.Path) -> set[str]:
    """The modules of this project that a file imports at its top; commands inside functions stand above the engine."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" if node.module in OWN else str(node.module) for alias in node.names}
    return {name for name in found if name.split(".")[0] in OWN}


def files(folder: str) -> list[pathlib.Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def test_methods_and_shared_parts_import_only_the_contract_of_the_data():
    for file in files("lightning_modules"):
        for name in imports(file):
            allowed = name.startswith(("lightning_modules", "metrics")) or any(
                name.startswith(module) for module in BOTTOM
            )
            assert allowed, f"{file.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("method", METHODS)
def test_a_method_imports_no_other_method(method):
    for file in files(f"lightning_modules/{method}"):
        for name in imports(file):
            part = name.split(".")[1] if name.startswith("lightning_modules.") else method
            assert part in {method, *SHARED, "translator", "schedules"}, f"{file.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("part", SHARED)
def test_shared_parts_import_no_method(part):
    for file in files(f"lightning_modules/{part}"):
        assert not {name.split(".")[1] for name in imports(file) if name.count(".")} & set(METHODS), file


@pytest.mark.parametrize("folder", ["datamodules", "metrics"])
def test_data_and_measures_import_nothing_above_them(folder):
    for file in files(folder):
        above = {
            n
            for n in imports(file)
            if n.split(".")[0] not in {folder, *(["datamodules"] if folder == "metrics" else [])}
        }
        assert not above, f"{file.relative_to(ROOT)} imports {above}"


def test_nothing_imports_a_command():
    for folder in ("benchmarks", "callbacks", "datamodules", "engine", "lightning_modules", "metrics"):
        for file in files(folder):
            assert not {name.split(".")[0] for name in imports(file)} & {"train", "evaluate", "translate"}, file
