"""Seconds per training step, images/s and peak memory of every method; what the framework costs; whether the loader keeps up.

    python -m benchmarks.speed                                  # every method at its small size
    python -m benchmarks.speed --methods cyclegan --sizes paper --variants fp32 bf16 channels_last compiled
    python -m benchmarks.speed --loader                         # the share of time spent waiting for data

Each row is measured in a process of its own, so that peak memory is its own. `bare` is a plain loop around the same networks,
losses and optimisers; `trainer` is the same step inside the Trainer, without callbacks and loggers; their ratio is what the
framework costs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.composing import SIZES, compose, methods
from benchmarks.measuring import Failed, device_name, in_its_own_process, now, peak_memory

VARIANTS = ("fp32", "bf16", "channels_last", "bf16_channels_last", "compiled", "bf16_compiled")


def main() -> None:
    """Measure what the command line asks for, a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=methods(), choices=methods())
    parser.add_argument("--sizes", nargs="+", default=["small"], choices=SIZES)
    parser.add_argument("--variants", nargs="+", default=["fp32", "bf16"], choices=VARIANTS)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further overrides of the config")
    parser.add_argument("--batch", type=int, default=None, help="pairs per step (default: the method's)")
    parser.add_argument("--steps", type=int, default=12, help="steps that are timed, after the warm-up")
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--loader", action="store_true", help="also train from files of a replica, and report the wait")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_measure(**json.loads(arguments.one))))
        return
    rows = []
    for method in arguments.methods:
        for size in arguments.sizes:
            for variant in arguments.variants:
                row = _in_its_own_process(
                    method=method, size=size, variant=variant, batch=arguments.batch, steps=arguments.steps,
                    warmup=arguments.warmup, overrides=arguments.set, loader=arguments.loader,
                )  # fmt: skip
                rows.append(row)
                _show(rows)


def _in_its_own_process(**what: Any) -> dict[str, Any]:
    try:
        return {**what, **in_its_own_process("benchmarks.speed", ["--one", json.dumps(what)])}
    except Failed as error:
        sys.exit(str(error))


def _measure(
    method: str, size: str, variant: str, batch: int | None, steps: int, warmup: int, overrides: list[str], loader: bool
) -> dict[str, Any]:
    """One row: the bare loop and the trainer, on the same batches."""
    import torch

    config = compose(method, size, [*overrides, *([f"data.batch_size={batch}"] if batch else [])])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = _batches(config, device)
    # Alternating, so that a busy machine slows both.
    bare, trained = [], []
    for _ in range(2):
        bare += _bare_loop(config, variant, batches, device, steps, warmup)
        trained += _trainer_loop(config, variant, batches, device, steps, warmup)
    row = {
        "bare": statistics.median(bare),
        "trainer": statistics.median(trained),
        "images": config["data"]["batch_size"],
        "memory": peak_memory(device),
        "device": device_name(device),
    }
    if loader:
        row["waiting"] = _share_of_waiting(config, variant, steps * 4)
    return row


def _batches(config: dict[str, Any], device: Any) -> list[Any]:
    """Four finished batches of noise in the config's shapes."""
    import torch

    from datamodules.batch import Batch

    data = config["data"]
    size, channels = data["batch_size"], data["structure_channels"]
    shape = (size, 3, data["height"], data["width"])
    generator = torch.Generator().manual_seed(0)

    def image() -> Any:
        return (torch.rand(shape, generator=generator) * 2 - 1).to(device)

    def structure() -> Any:
        return torch.rand((size, channels, *shape[2:]), generator=generator).to(device)

    keys = ["noise"] * size
    paired = torch.ones(size, dtype=torch.bool, device=device)
    return [Batch(image(), structure(), image(), structure(), paired, keys, keys) for _ in range(4)]


def _prepared(config: dict[str, Any], variant: str) -> Any:
    """The translator in a variant: memory format and compilation change networks in place."""
    import torch

    from engine.build import build_translator

    torch.manual_seed(0)
    translator = build_translator(config)
    for network in translator.children():
        if "channels_last" in variant:
            network.to(memory_format=torch.channels_last)
        if "compiled" in variant:
            network.compile()
    return translator


def _bare_loop(
    config: dict[str, Any], variant: str, batches: list[Any], device: Any, steps: int, warmup: int
) -> list[float]:
    """Seconds of each step of a plain loop over the method's phases."""
    import torch

    translator = _prepared(config, variant).to(device).train()
    phases = translator.phases()
    optimizers = {p.optimizer_name: translator.make_optimizer(p.optimizer_name, p.parameters()) for p in phases}
    others = {
        phase.name: [p for p in translator.parameters() if p.requires_grad and p not in set(phase.parameters())]
        for phase in phases
    }
    times = []
    for index in range(warmup + steps):
        batch = batches[index % len(batches)]
        start = now(device)
        with torch.autocast(device.type, torch.bfloat16, enabled="bf16" in variant):
            step = translator.begin_step(batch)
            for phase in phases:
                if index % phase.interval != phase.offset:
                    continue
                for parameter in others[phase.name]:
                    parameter.requires_grad_(False)
                losses = phase.losses(batch, step)
                torch.stack([loss.weight * loss.value for loss in losses.values()]).sum().backward()
                for parameter in others[phase.name]:
                    parameter.requires_grad_(True)
                optimizers[phase.optimizer_name].step()
                optimizers[phase.optimizer_name].zero_grad()
        times.append(now(device) - start)
    return times[warmup:]


def _trainer_loop(
    config: dict[str, Any], variant: str, batches: list[Any], device: Any, steps: int, warmup: int
) -> list[float]:
    """Seconds of each step inside the Trainer."""
    import pytorch_lightning as pl

    clock = _clock(lambda: now(device))
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, max_steps=warmup + steps,
        precision="bf16-mixed" if "bf16" in variant else "32-true", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=[clock], limit_val_batches=0,
    )  # fmt: skip
    translator = _prepared(config, variant)
    # As the DataModule of a run does it: Lightning's own way copies every field of a batch.
    translator.transfer_batch_to_device = lambda batch, device, _: batch.to(device, non_blocking=True)
    trainer.fit(translator, _repeated(batches))
    return clock.times[warmup:]


def _clock(now: Callable[[], float]) -> Any:
    import pytorch_lightning as pl

    class Clock(pl.Callback):
        """From the end of one step to the end of the next."""

        def __init__(self) -> None:
            self.times: list[float] = []
            self.last: float | None = None

        def on_train_start(self, *_: Any) -> None:
            self.last = now()

        def on_train_batch_end(self, *_: Any) -> None:
            time_now = now()
            assert self.last is not None
            self.times.append(time_now - self.last)
            self.last = time_now

    return Clock()


def _repeated(batches: list[Any]) -> Any:
    import torch

    return torch.utils.data.DataLoader(batches * 1000, batch_size=None, collate_fn=lambda batch: batch)


def _share_of_waiting(config: dict[str, Any], variant: str, steps: int) -> float:
    """The share of time that training from files waits for its loader, as the Throughput callback counts it."""
    import pytorch_lightning as pl

    from callbacks.throughput import Throughput
    from engine.build import build_data

    throughput = Throughput(every_n_steps=max(1, steps // 2), warmup_steps=steps // 4)
    trainer = pl.Trainer(
        max_steps=steps, precision="bf16-mixed" if "bf16" in variant else "32-true", logger=False, callbacks=[throughput],
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, limit_val_batches=0,
        use_distributed_sampler=False, devices=1,
    )  # fmt: skip
    trainer.fit(_prepared(config, variant), datamodule=build_data(config))
    return float(trainer.callback_metrics["speed/data_wait"])


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(title=f"Training on {rows[-1]['device']}")
    for column in (
        "method",
        "size",
        "variant",
        "s/step",
        "images/s",
        "trainer / bare loop",
        "peak GiB",
        "faster than fp32",
        "waiting for data",
    ):
        table.add_column(column, justify="left" if column in ("method", "size", "variant") else "right")
    for row in rows:
        plain = next(
            (r for r in rows if (r["method"], r["size"], r["variant"]) == (row["method"], row["size"], "fp32")), None
        )
        table.add_row(
            row["method"], row["size"], row["variant"], f"{row['trainer']:.3f}", f"{row['images'] / row['trainer']:.1f}",
            f"{row['trainer'] / row['bare']:.3f}", f"{row['memory']:.2f}", f"{plain['trainer'] / row['trainer']:.2f}x" if plain else "",
            f"{row['waiting']:.1%}" if "waiting" in row else "",
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 140).print(table)


if __name__ == "__main__":
    main()
