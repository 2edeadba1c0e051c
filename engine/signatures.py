"""What a constructor or function takes, read from its source text without importing it.

Importing a method means importing torch and Lightning, which takes seconds. A misspelt setting should be found before that,
so the parameters of a config's `_target_` are read from the syntax tree of the file that defines it.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import functools
import importlib.util
import pathlib
import typing
from dataclasses import dataclass, field
from typing import Any

from datamodules.bad_input import BadInput, nearest


@dataclass
class Parameters:
    """The named parameters of a callable: name -> annotation (`Any` when it cannot be told), and which must be given."""

    annotations: dict[str, Any] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    open: bool = False
    """Whether it takes further keyword arguments that are not known here."""


def parameters_of(target: str) -> Parameters | None:
    """The parameters of the class or function with the dotted path `target`; None when it is not written in Python.

    Raises:
        BadInput: no such package, module or name.
    """
    file, names = _locate(target)
    found = _definition(file, names[0]) if len(names) == 1 else None
    if found is None:
        if file.suffix != ".py" or len(names) != 1:
            return None
        known = [node.name for node in _tree(file).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        raise BadInput(f"{target}: {file.name} defines no {names[0]!r}.{nearest(names[0], known)}")
    where, node = found
    return _of_class(where, node) if isinstance(node, ast.ClassDef) else _of_function(node, skip_first=False)


def _locate(target: str) -> tuple[pathlib.Path, list[str]]:
    """The file of the longest module in a dotted path, and the names inside it."""
    first, *rest = target.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        raise BadInput(f"{target}: there is no package {first!r} here; install it or correct the name")
    if not spec.submodule_search_locations:
        return pathlib.Path(spec.origin or ""), rest
    folder = pathlib.Path(next(iter(spec.submodule_search_locations)))
    file = folder / "__init__.py"
    for position, name in enumerate(rest):
        if (folder / name).is_dir():
            folder, file = folder / name, folder / name / "__init__.py"
        elif (folder / f"{name}.py").is_file():
            return folder / f"{name}.py", rest[position + 1 :]
        elif name == rest[-1]:
            return file, rest[position:]
        else:
            known = [path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()]
            raise BadInput(f"{target}: {folder.name} has no module {name!r}.{nearest(name, known)}")
    raise BadInput(f"{target} is a module; name a class or function in it")


@functools.cache
def _tree(file: pathlib.Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _definition(
    file: pathlib.Path, name: str, depth: int = 0
) -> tuple[pathlib.Path, ast.ClassDef | ast.FunctionDef] | None:
    """Where a name of a module is defined, following imports from other modules."""
    if file.suffix != ".py" or not file.is_file() or depth > 8:
        return None
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name and node in _tree(file).body:
            return file, node
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    source = _module_file(file, node)
                    return _definition(source, alias.name, depth + 1) if source else None
    return None


def _module_file(file: pathlib.Path, node: ast.ImportFrom) -> pathlib.Path | None:
    """The file of the module that an import statement in `file` names."""
    if node.level:
        folder = file.parents[node.level - 1]
        path = folder.joinpath(*(node.module or "").split(".")) if node.module else folder
    else:
        first, *rest = (node.module or "").split(".")
        spec = importlib.util.find_spec(first)
        if spec is None or spec.origin is None:
            return None
        if not spec.submodule_search_locations:
            return pathlib.Path(spec.origin)
        path = pathlib.Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)
    candidates = [path / "__init__.py", path.with_suffix(".py")]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _of_class(file: pathlib.Path, node: ast.ClassDef) -> Parameters:
    """Parameters of a class's constructor, including those that it passes on to its bases."""
    own = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if own is not None:
        found = _of_function(own, skip_first=True)
        if not found.open:
            return found
    else:
        found = Parameters(open=True)
        if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
            found = _of_dataclass(node)
    for base in node.bases:
        name = ast.unparse(base).split("[")[0].split(".")[-1]
        definition = _definition(file, name)
        if definition and isinstance(definition[1], ast.ClassDef):
            inherited = _of_class(definition[0], definition[1])
            found.annotations = {**inherited.annotations, **found.annotations}
            if own is None:
                found.required |= inherited.required
            found.open = inherited.open
    return found


def _of_dataclass(node: ast.ClassDef) -> Parameters:
    found = Parameters()
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.annotations[statement.target.id] = _annotation(statement.annotation)
            if statement.value is None:
                found.required.add(statement.target.id)
    return found


def _of_function(node: ast.FunctionDef, skip_first: bool) -> Parameters:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args][1 if skip_first else 0 :]
    defaults = len(arguments.defaults)
    required = {a.arg for a in (positional[:-defaults] if defaults else positional)}
    required |= {
        a.arg for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    }
    return Parameters(
        annotations={a.arg: _annotation(a.annotation) for a in [*positional, *arguments.kwonlyargs]},
        required=required,
        open=arguments.kwarg is not None,
    )


class _Names(dict[str, Any]):
    """The names that an annotation may use; one that would need an import of its module stands for anything."""

    def __missing__(self, name: str) -> Any:
        return Any


_NAMES = _Names({**vars(builtins), **vars(collections.abc), **{name: getattr(typing, name) for name in typing.__all__}})


def _annotation(node: ast.expr | None) -> Any:
    """The type that an annotation's text stands for, as far as builtins and `typing` can say."""
    if node is None:
        return Any
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    try:
        return eval(compile(ast.Expression(node), "<annotation>", "eval"), {"__builtins__": {}}, _NAMES)
    except (TypeError, AttributeError):
        return Any
