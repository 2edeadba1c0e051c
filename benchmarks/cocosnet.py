"""CoCosNet's correspondence and training step against their plain forms: time and peak memory, each in its own process.

    python -m benchmarks.cocosnet                        # correlation and warp at 64 x 64 and 128 x 128 features
    python -m benchmarks.cocosnet --features 64 --repeats 5
    python -m benchmarks.cocosnet --step 256             # a whole training step at 256 x 256, batch one

Correlation: `blocks` is what the method uses, `explicit` unfolds the features, writes the matrix down and lets autograd keep
what it wants; both forward and backward through query, key and value, and `--check` compares their numbers.

Step: `blocks` is the method, `recompute` computes the generator's large SPADE blocks again in the backward pass, and `plain`
has separate passes of the photos' adaptor, explicit attention and all activations kept, as the published code.

Forms take turns, so that a busy machine slows all of them alike; the ratios are those of medians. On a processor seconds are
those of processor time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from benchmarks.measuring import Failed, in_its_own_process, peak_memory, reset_peak, spent

CHANNELS = 256
VALUES = 3
TEMPERATURE = 0.01
CORRELATION_FORMS = ("blocks", "explicit")
STEP_FORMS = ("blocks", "recompute", "plain")


def main() -> None:
    """Measure what the command line asks for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--features", nargs="*", type=int, help="sides of feature maps (default: 64 128, without --step)"
    )
    parser.add_argument("--step", nargs="*", type=int, default=[], metavar="SIDE", help="whole steps at image sizes")
    parser.add_argument("--repeats", type=int, default=3, help="processes per form")
    parser.add_argument("--check", action="store_true", help="also compare values and gradients of both correlations")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of the step's config")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(_one(**json.loads(given.one))))
        return
    if given.features is None:
        given.features = [] if given.step else [64, 128]
    print("| what | form | seconds | peak MiB | time | memory |\n|---|---|---:|---:|---:|---:|")
    for side in given.features:
        if given.check:
            print(f"| correlation {side} x {side}: greatest difference {difference(side):.1e} | | | | | |")
        _show(f"correlation {side} x {side}", _alternating("correlation", side, CORRELATION_FORMS, given))
    for side in given.step:
        _show(f"step {side} x {side}", _alternating("step", side, STEP_FORMS, given))


def _alternating(kind: str, side: int, forms: tuple[str, ...], given: Any) -> dict[str, list[dict[str, float]]]:
    """Form -> what each of its processes measured."""
    rows: dict[str, list[dict[str, float]]] = {form: [] for form in forms}
    for _ in range(given.repeats):
        for form in forms:
            what = {"kind": kind, "side": side, "form": form, "overrides": given.set}
            try:
                rows[form].append(in_its_own_process("benchmarks.cocosnet", ["--one", json.dumps(what)]))
            except Failed as error:
                # The explicit matrix does not fit every machine: that is a result too.
                print(f"{kind} {side} {form}: {error}", file=sys.stderr)
                break
    return rows


def _show(what: str, rows: dict[str, list[dict[str, float]]]) -> None:
    """A line per form, with its ratios to the last one, which is the plain form."""
    found = {
        form: {name: statistics.median(row[name] for row in measured) for name in ("seconds", "memory")}
        for form, measured in rows.items()
        if measured
    }
    plain = found.get(list(rows)[-1])
    for form in rows:
        if form not in found:
            print(f"| {what} | {form} | not possible here | | | |")
            continue
        seconds, memory = found[form]["seconds"], found[form]["memory"]
        ratios = f"{seconds / plain['seconds']:.2f} | {memory / plain['memory']:.2f}" if plain else " | "
        print(f"| {what} | {form} | {seconds:.3f} | {memory:.0f} | {ratios} |")


def _one(kind: str, side: int, form: str, overrides: list[str]) -> dict[str, float]:
    """One process: the median seconds of three runs, and the memory beyond what stood before the first, in MiB."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = correlation_of(side, form, device) if kind == "correlation" else step_of(side, form, device, overrides)
    before = reset_peak(device)
    times = []
    for _ in range(3):
        start = spent(device)
        run()
        times.append(spent(device) - start)
    return {"seconds": statistics.median(times), "memory": (peak_memory(device) - before) * 2**10}


def correlation_of(side: int, form: str, device: Any) -> Callable[[], list[Any]]:
    """Forward and backward of a correlation and its warp on fixed features; returns the warp and the three gradients."""
    import torch

    generator = torch.Generator().manual_seed(0)
    theta, phi, value = (
        torch.randn(1, channels, side, side, generator=generator).to(device).requires_grad_()
        for channels in (CHANNELS, CHANNELS, VALUES)
    )
    weight = torch.randn(1, VALUES, side, side, generator=generator).to(device)

    def run() -> list[Any]:
        for tensor in (theta, phi, value):
            tensor.grad = None
        warped = _correlation(form)(theta, phi, temperature=TEMPERATURE).warp(value)
        (warped * weight).sum().backward()
        return [warped.detach(), theta.grad, phi.grad, value.grad]

    return run


def difference(side: int) -> float:
    """The greatest difference of the two forms in warp and gradients, relative to each one's greatest value."""
    import torch

    both = [correlation_of(side, form, torch.device("cpu"))() for form in CORRELATION_FORMS]
    return max(float((x - y).abs().max() / y.abs().max()) for x, y in zip(*both, strict=True))


def _correlation(form: str) -> Any:
    from lightning_modules.cocosnet.correlation import Correlation
    from lightning_modules.cocosnet.similarity import unfolded_cosine_parts

    class Explicit(Correlation):
        """The matrix written down: unfolded, centred, normalised, multiplied, softmaxed and multiplied again."""

        def __init__(self, theta: Any, phi: Any, **settings: Any) -> None:
            super().__init__(theta, phi, **settings)
            x, y = (unfolded_cosine_parts(side.float(), self.window, self.centre) for side in (theta, phi))
            self.logits = x @ y.transpose(1, 2) / self.temperature

        def _parts_of(self, features: Any) -> tuple[Any, ...]:
            return ()

        def warp(self, values: Any) -> Any:
            fetched = self.logits.softmax(dim=2) @ values.float().flatten(2).transpose(1, 2)
            return fetched.transpose(1, 2).unflatten(2, self.structure_size)

        def back(self, values: Any) -> Any:
            fetched = self.logits.transpose(1, 2).softmax(dim=2) @ values.float().flatten(2).transpose(1, 2)
            return fetched.transpose(1, 2).unflatten(2, self.exemplar_size)

    return Explicit if form in ("explicit", "plain") else Correlation


@contextmanager
def plain_form() -> Iterator[None]:
    """Within it, CoCosNet computes as the published code does: separate passes, explicit attention, everything kept."""
    import torch
    import torch.nn.functional as F

    from lightning_modules.cocosnet import correspondence, non_local, spade

    def attend(query: Any, key: Any, value: Any, scale: float = 1.0) -> Any:
        return (scale * query @ key.transpose(1, 2)).softmax(dim=2) @ value

    class Modulation:
        """Positional normalisation and modulation as single operations."""

        @staticmethod
        def apply(x: Any, modulation: Any, slope: float, eps: float) -> Any:
            variance, mean = torch.var_mean(x, dim=1, keepdim=True)
            scale, shift = modulation.chunk(2, dim=1)
            return F.leaky_relu((x - mean) / (variance + eps).sqrt() * (1 + scale) + shift, slope)

    def photos(self: Any, exemplar: Any, truth: Any) -> Any:
        seen = correspondence.unit(self.image_adaptor(exemplar))
        return seen, None if truth is None else correspondence.unit(self.image_adaptor(truth))

    with (
        patch.object(correspondence, "Correlation", _correlation("plain")),
        patch.object(correspondence.CorrespondenceNetwork, "_photos", photos),
        patch.object(non_local, "attend", attend),
        patch.object(spade, "PositionalModulation", Modulation),
    ):
        yield


def step_of(side: int, form: str, device: Any, overrides: list[str]) -> Callable[[], list[Any]]:
    """Both phases of a training step of the ADE20k experiment, with random VGG weights, batch one; returns its losses."""
    import hydra
    import torch

    from benchmarks.speed import _batches
    from engine.build import build_translator
    from engine.check import resolved
    from engine.command import CONFIGS, register_resolvers

    register_resolvers()
    size = [f"data.{name}={side}" for name in ("height", "width", "load_height", "load_width")]
    words = ["experiment=cocosnet_ade20k", *size, "data.batch_size=1", "model.perceptual.weights=random"]
    words += ["model.mask=none", f"model.generator.recompute={'large' if form == 'recompute' else 'none'}", *overrides]
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = resolved(hydra.compose("train", overrides=words))
    torch.manual_seed(0)
    translator: Any = build_translator(config).to(device).train()
    translator.perceptual.prepare()
    translator.perceptual.to(device)
    phases = translator.phases()
    optimizers = [translator.make_optimizer(phase.optimizer_name, phase.parameters()) for phase in phases]
    batch = _batches(config, device)[0]

    def step() -> list[Any]:
        torch.manual_seed(0)
        shared, found = translator.begin_step(batch), []
        for phase, optimizer in zip(phases, optimizers, strict=True):
            with translator._only(phase):
                losses = phase.losses(batch, shared)
                torch.stack([loss.weight * loss.value for loss in losses.values()]).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            found += [loss.value.detach() for loss in losses.values()]
        return found

    def plain_step() -> list[Any]:
        with plain_form():
            return step()

    return plain_step if form == "plain" else step


if __name__ == "__main__":
    main()
