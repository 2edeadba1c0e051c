"""Where a run is carried out: in this process for one device, in workers for several.

The config was composed and checked once and lies in the run's folder; every worker reads it there. So all ranks have the
same config whatever launched the command: a shell, a sweep, a scheduler.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from datamodules.bad_input import BadInput
from engine.run_folder import RunFolder

WORKER = "engine.training"


def device_count(trainer: dict[str, Any]) -> int:
    """How many devices of one machine a trainer's config asks for."""
    devices = trainer["devices"]
    if isinstance(devices, int) and devices >= 0:
        return devices
    if isinstance(devices, list):
        return len(devices)
    import torch

    if trainer["accelerator"] == "cpu":
        raise BadInput(
            f"trainer.devices={devices!r}: say how many processes the CPU should run, such as trainer.devices=2"
        )
    return max(1, torch.cuda.device_count())


def launch(config: dict[str, Any], folder: RunFolder, resume: bool) -> None:
    """Carry out the run whose config lies in the folder.

    Raises:
        BadInput: a worker found its input wrong; its sentence.
    """
    trainer = config["trainer"]
    if trainer["num_nodes"] > 1:
        _on_several_machines(trainer, folder, resume)
    elif device_count(trainer) > 1:
        _in_workers(device_count(trainer), folder, resume)
    else:
        from engine.training import run

        run(folder, resume)


def worker_arguments(folder: RunFolder, resume: bool) -> list[str]:
    """The arguments of Python for one worker."""
    return ["-m", WORKER, str(folder.path), *(["--resume"] if resume else [])]


def _in_workers(processes: int, folder: RunFolder, resume: bool) -> None:
    """As `torch.distributed.run --standalone` does, from inside this process."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from engine.command import ROOT

    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    settings = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id=folder.path.name,
        max_restarts=0,
    )
    refusal = folder.path / ".refused"
    try:
        elastic_launch(settings, sys.executable)(*worker_arguments(folder, resume))
    except ChildFailedError as error:
        if refusal.is_file():
            sentence = refusal.read_text(encoding="utf-8")
            refusal.unlink()
            raise BadInput(sentence) from error
        codes = [failure.exitcode for failure in error.failures.values() if failure.exitcode > 128]
        if codes:  # ended by a signal after its state was saved: as one process would
            sys.exit(codes[0])
        raise


def several_machines_command(
    trainer: dict[str, Any], folder: RunFolder, resume: bool, environment: dict[str, str]
) -> list[str]:
    """The command that starts the workers on all machines of a SLURM allocation, from the one task that composed the config.

    Raises:
        BadInput: this is no SLURM allocation of that many machines.
    """
    nodes = trainer["num_nodes"]
    allocated = environment.get("SLURM_JOB_NUM_NODES")
    if allocated is None or int(allocated) != nodes:
        have = f"{allocated} are allocated" if allocated else "this is no SLURM job"
        raise BadInput(
            f"trainer.num_nodes={nodes}, but {have}: start the command once, inside `sbatch --nodes={nodes}`"
        )
    head = (
        environment.get("SLURM_JOB_FIRST_NODE")
        or environment["SLURM_JOB_NODELIST"].split(",")[0].replace("[", "").split("-")[0]
    )
    port = 20000 + int(environment["SLURM_JOB_ID"]) % 20000
    return [
        *("srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1"),
        *(sys.executable, "-m", "torch.distributed.run"),
        f"--nnodes={nodes}",
        f"--nproc-per-node={device_count(trainer)}",
        f"--rdzv-id={environment['SLURM_JOB_ID']}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={head}:{port}",
        *worker_arguments(folder, resume),
    ]


def _on_several_machines(trainer: dict[str, Any], folder: RunFolder, resume: bool) -> None:
    environment = dict(os.environ)
    if "SLURM_JOB_NODELIST" in environment:
        names = subprocess.run(
            ["scontrol", "show", "hostnames"], capture_output=True, text=True, check=False
        ).stdout.split()
        environment |= {"SLURM_JOB_FIRST_NODE": names[0]} if names else {}
    subprocess.run(several_machines_command(trainer, folder, resume, environment), check=True)
