"""How the benchmarks measure: time, peak memory, and a process for what must not share them with anything else."""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any


def now(device: Any = None) -> float:
    """Seconds on a clock that goes on evenly, once the device (None: the GPU where there is one) has done what it was given."""
    if _on_gpu(device):
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def spent(device: Any = None) -> float:
    """Seconds that work on the device has taken so far: of processor time, which others on the machine hardly change; on a GPU
    those of `now`."""
    return now(device) if _on_gpu(device) else time.process_time()


def reset_peak(device: Any = None) -> float:
    """Forget the peak so far, which importing made; GiB that are held now.

    Where the system cannot forget it (not Linux), the peak of the whole process stands.
    """
    counters = pathlib.Path("/proc/self/clear_refs")
    if _on_gpu(device):
        import torch

        torch.cuda.reset_peak_memory_stats()
    elif counters.exists():
        counters.write_text("5")
    return peak_memory(device)


def peak_memory(device: Any = None) -> float:
    """GiB since the last reset, or since the process began: of the GPU, or of the process where the device is none."""
    if _on_gpu(device):
        import torch

        return torch.cuda.max_memory_allocated() / 2**30
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        high = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(high.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def device_name(device: Any = None) -> str:
    """What a table's title calls the device."""
    import torch

    return torch.cuda.get_device_name() if _on_gpu(device) else f"CPU, {torch.get_num_threads()} threads"


def _on_gpu(device: Any) -> bool:
    import torch

    return torch.cuda.is_available() if device is None else torch.device(device).type == "cuda"


class Failed(Exception):
    """A measurement's process ended with an error, whose end this says."""


def in_its_own_process(module: str, words: Sequence[str]) -> Any:
    """What `python -m <module> <words>` prints as json on its last line.

    Raises:
        Failed: the process did not end well.
    """
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{module} {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
