"""Is this config possible? Found out in a second, before anything heavy is imported or built.

A config is the arguments of calls: the root those of the command's function, a section with `_target_` those of that class.
Every key must be a parameter there and every value must fit the parameter's annotation, wherever it was written: in a yaml
file, in an experiment, or on the command line.
"""

from __future__ import annotations

import json
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from datamodules.bad_input import BadInput, nearest
from engine.signatures import Parameters, parameters_of

HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def resolved(config: DictConfig) -> dict[str, Any]:
    """The config as plain containers with every interpolation filled in.

    Raises:
        BadInput: a value that must be given is missing, or an interpolation leads nowhere.
    """
    try:
        container = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        sentence = str(error).splitlines()[0]
        where = f"{error.full_key}: " if error.full_key and error.full_key not in sentence else ""
        raise BadInput(f"{where}{sentence}") from error
    return dict(container)  # type: ignore[arg-type]


def check(config: dict[str, Any], function: str) -> None:
    """Check a resolved config as the arguments of a command's function (a dotted path), all the way down.

    Raises:
        BadInput: the first key or value that does not fit, with the nearest name that would.
    """
    _check_call(config, function, path="")


def _check_call(arguments: dict[str, Any], target: str, path: str, partial: bool = False) -> None:
    try:
        parameters = parameters_of(target)
    except BadInput as error:
        raise BadInput(f"{_join(path, '_target_')}: {error}") from error
    if parameters is None:
        parameters = Parameters(open=True)
    for name, value in arguments.items():
        where = _join(path, name)
        if name not in parameters.annotations and not parameters.open:
            owner = f"a setting of {target}" if path else "a setting of this command"
            raise BadInput(f"{where} is not {owner}.{nearest(name, parameters.annotations)}")
        _check_nested(value, where)
        if not _holds_target(value):
            _check_type(value, parameters.annotations.get(name, Any), where, target)
    missing = sorted(parameters.required - arguments.keys())
    if missing and not partial:
        raise BadInput(f"{_join(path, missing[0])} is missing: {target} needs it")


def _check_nested(value: Any, path: str) -> None:
    if isinstance(value, dict):
        if "_target_" in value:
            arguments = {name: item for name, item in value.items() if name not in HYDRA_KEYS}
            _check_call(arguments, value["_target_"], path, partial=value.get("_partial_", False))
        else:
            for name, item in value.items():
                _check_nested(item, _join(path, str(name)))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _check_nested(item, f"{path}[{position}]")


def _check_type(value: Any, annotation: Any, path: str, target: str) -> None:
    try:
        # Strict: '3' is no int and 'yes' no bool, but an int is a float, as in Python. As JSON: a list may be a tuple.
        adapter = TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
        adapter.validate_json(json.dumps(value))
    except (PydanticSchemaGenerationError, PydanticUserError):
        return
    except ValidationError as error:
        reasons = list(dict.fromkeys(detail["msg"].removeprefix("Input ") for detail in error.errors()))
        suggestion = ""
        for detail in error.errors():
            if detail["type"] == "literal_error" and isinstance(value, str):
                suggestion = nearest(
                    value, [option.strip("'") for option in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
                )
        raise BadInput(f"{path}={value!r} {' or '.join(reasons)} ({target}).{suggestion}") from error


def _holds_target(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(map(_holds_target, value.values()))
    return isinstance(value, list) and any(map(_holds_target, value))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
