"""Published weights -> a checkpoint of ours, which then evaluates and translates like any other.

    python -m engine.adopt cyclegan horse2zebra.ckpt G_A=horse2zebra/latest_net_G.pth
    python -m engine.adopt pix2pix facades.ckpt G=facades_label2photo/latest_net_G.pth --set data.height=256 data.width=256
    python -m engine.adopt cocosnet ade20k.ckpt Corr=90_net_Corr.pth G=90_net_G.pth D=90_net_D.pth
    python -m engine.adopt pidm pidm.ckpt last.pt
    python -m engine.adopt swapae church.ckpt church_pretrained/latest_checkpoint.pth

Networks are named as in the official code; a method whose weights are one file needs no name. Sizes are read from the files;
what no file tells (the size of images, the data to evaluate on) is that of the published models, and changed with `--set`.

A method takes part by a module `lightning_modules/<method>/official.py` with

    NETWORKS                    official network -> which of ours
    arguments_told_by(networks) arguments of the method, dotted, that the files tell; refuses files that do not go together
    load_into(module, networks) fills the networks; refuses what does not fit to the last entry; may return reports to print
    settings_told_by(networks)  optional: the data (or experiment) that the files are for, as overrides; else `DATA`

where `networks` are files, or state dicts, by official name.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import pathlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import lightning_modules
from datamodules.bad_input import BadInput, exits_with_one_sentence, nearest

DATA = [
    "data=folders",
    "data.folder_x=images",
    "data.structure=image",
    "data.pairing=random",
    "data.height=256",
    "data.width=256",
]


def methods() -> list[str]:
    """The methods that have published weights."""
    names = [module.name for module in pkgutil.iter_modules(lightning_modules.__path__) if module.ispkg]
    return sorted(name for name in names if importlib.util.find_spec(f"lightning_modules.{name}.official"))


def adopted(
    method: str, networks: Mapping[str, Any], overrides: Sequence[str] = ()
) -> tuple[dict[str, Any], list[Any]]:
    """The checkpoint of a method whose networks are filled with official state dicts, and what became of their entries.

    Args:
        networks: files, or state dicts, by official name.
        overrides: settings of the config, as on Hydra's command line.

    Raises:
        BadInput: a file that cannot be read or fits no network of the method; an override that does not exist.
    """
    import hydra

    from engine.build import build_translator
    from engine.check import check, resolved
    from engine.command import CONFIGS, register_resolvers

    official = importlib.import_module(f"lightning_modules.{method}.official")
    told = [f"++model.{name}={_written(value)}" for name, value in official.arguments_told_by(networks).items()]
    usual = official.settings_told_by(networks) if hasattr(official, "settings_told_by") else DATA
    words = _last_of_each([f"model={method}", *usual, *told, *overrides])
    register_resolvers()
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = resolved(hydra.compose("train", overrides=words))
    check(config, "engine.configs.TrainConfig")
    translator = build_translator(config)
    reports = official.load_into(translator, networks) or []
    return {"state_dict": translator.state_dict(), "config": config}, reports


def save(checkpoint: Mapping[str, Any], out: pathlib.Path) -> None:
    """Write a checkpoint, whole or not at all."""
    import torch

    partial = out.with_name(f".{out.name}.partial")
    torch.save(checkpoint, partial)
    partial.replace(out)


def _last_of_each(words: Iterable[str]) -> list[str]:
    """Overrides without those whose key is given again: Hydra takes a group only once."""
    by_key = {word.partition("=")[0].lstrip("+"): word for word in words}
    return list(by_key.values())


def _written(value: Any) -> str:
    """A value as Hydra's command line writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value).replace(" ", "")


def _named(words: Sequence[str], method: str) -> dict[str, pathlib.Path]:
    """NETWORK=FILE as a mapping; the name may be left out where there is one network."""
    known = importlib.import_module(f"lightning_modules.{method}.official").NETWORKS
    networks = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not equals and len(known) == 1:
            name, file = next(iter(known)), word
        elif not equals:
            raise BadInput(
                f"{word!r} does not say which network the file is of: write NAME=FILE, where NAME is {', '.join(known)}"
            )
        if name not in known:
            raise BadInput(f"{method} has no network {name!r}, only {', '.join(known)}.{nearest(name, known)}")
        networks[name] = pathlib.Path(file).expanduser()
    absent = [str(file) for file in networks.values() if not file.is_file()]
    if absent:
        raise BadInput(f"there is no file {', '.join(absent)}")
    return networks


@exits_with_one_sentence
def main(arguments: Sequence[str] | None = None) -> None:
    """Published weights -> a checkpoint of ours."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.adopt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=methods())
    parser.add_argument("out", type=pathlib.Path, help="the checkpoint to write")
    parser.add_argument("networks", nargs="+", metavar="NETWORK=FILE", help="such as G_A=latest_net_G_A.pth")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the config")
    given = parser.parse_args(arguments)
    networks = _named(given.networks, given.method)
    if given.out.exists():
        raise BadInput(f"{given.out} exists already: choose another name")
    checkpoint, reports = adopted(given.method, networks, given.set)
    save(checkpoint, given.out)
    for report in reports:
        print(report)
    print(f"{given.out} is written: python translate.py ckpt={given.out} source=FILE_OR_DIR out=DIR")


if __name__ == "__main__":
    main()
