"""Published weights -> a checkpoint of ours, which then evaluates and translates like any other.

    python -m engine.adopt cyclegan horse2zebra.ckpt G_A=horse2zebra/latest_net_G.pth
    python -m engine.adopt pix2pix facades.ckpt G=facades_label2photo/latest_net_G.pth --set data.height=256 data.width=256

Networks are named as in the official code. Their sizes are read from the files; what no file tells (the size of images, the
data to evaluate on) is that of `data=folders`, and changed with `--set`.
"""

from __future__ import annotations

import argparse
import importlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from datamodules.bad_input import BadInput, exits_with_one_sentence, nearest

DATA = [
    "data=folders",
    "data.folder_x=images",
    "data.structure=image",
    "data.pairing=random",
    "data.height=256",
    "data.width=256",
]
METHODS = ("cyclegan", "pix2pix")


def adopted(method: str, networks: Mapping[str, pathlib.Path], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The checkpoint of a method whose networks are filled with official state dicts.

    Raises:
        BadInput: a file that cannot be read or fits no network of the method; an override that does not exist.
    """
    import hydra

    from engine.build import build_translator
    from engine.check import check, resolved
    from engine.command import CONFIGS, register_resolvers

    official = importlib.import_module(f"lightning_modules.{method}.official")
    told = [f"++model.{name}={_written(value)}" for name, value in official.arguments_told_by(networks).items()]
    register_resolvers()
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = resolved(hydra.compose("train", overrides=[f"model={method}", *DATA, *told, *overrides]))
    check(config, "engine.configs.TrainConfig")
    translator = build_translator(config)
    official.load_into(translator, networks)
    return {"state_dict": translator.state_dict(), "config": config}


def _written(value: Any) -> str:
    """A value as Hydra's command line writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


@exits_with_one_sentence
def main(arguments: Sequence[str] | None = None) -> None:
    """Published weights -> a checkpoint of ours."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.adopt", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("out", type=pathlib.Path, help="the checkpoint to write")
    parser.add_argument("networks", nargs="+", metavar="NETWORK=FILE", help="such as G_A=latest_net_G_A.pth")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the config")
    given = parser.parse_args(arguments)
    networks = {}
    for word in given.networks:
        name, equals, file = word.partition("=")
        if not equals:
            raise BadInput(
                f"{word!r} does not say which network the file is of: write NAME=FILE, such as G_A=latest_net_G_A.pth"
            )
        networks[name] = pathlib.Path(file)
    if given.out.exists():
        raise BadInput(f"{given.out} exists already: choose another name")
    import torch

    known = importlib.import_module(f"lightning_modules.{given.method}.official").NETWORKS
    for name in networks:
        if name not in known:
            raise BadInput(f"{given.method} has no network {name!r}, only {', '.join(known)}.{nearest(name, known)}")
    checkpoint = adopted(given.method, networks, given.set)
    partial = given.out.with_name(f".{given.out.name}.partial")
    torch.save(checkpoint, partial)
    partial.replace(given.out)
    print(f"{given.out} is written: python translate.py ckpt={given.out} source=FILE_OR_DIR out=DIR")


if __name__ == "__main__":
    main()
