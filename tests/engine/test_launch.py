"""Where a run is carried out is decided from the trainer's config alone."""

from __future__ import annotations

import pytest

from datamodules.bad_input import BadInput
from engine.launch import device_count, several_machines_command
from engine.run_folder import RunFolder

TRAINER = {"accelerator": "gpu", "devices": 8, "num_nodes": 4}


def test_devices_are_counted_from_a_number_or_a_list():
    assert device_count({"accelerator": "cpu", "devices": 2}) == 2
    assert device_count({"accelerator": "gpu", "devices": [1, 3, 5]}) == 3


def test_a_cpu_needs_to_be_told_how_many_processes():
    with pytest.raises(BadInput, match=r"trainer.devices=2"):
        device_count({"accelerator": "cpu", "devices": "auto"})


def test_on_slurm_one_torchrun_starts_on_every_machine_and_reads_the_run_folder(tmp_path):
    job = {"SLURM_JOB_NUM_NODES": "4", "SLURM_JOB_ID": "123", "SLURM_JOB_FIRST_NODE": "node7"}
    command = several_machines_command(TRAINER, RunFolder(tmp_path), resume=True, environment=job)
    assert command[:4] == ["srun", "--nodes=4", "--ntasks=4", "--ntasks-per-node=1"]
    assert "--nproc-per-node=8" in command
    assert "--rdzv-endpoint=node7:20123" in command
    assert command[-3:] == ["engine.training", str(tmp_path), "--resume"]


@pytest.mark.parametrize("job", [{}, {"SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "1"}])
def test_several_machines_need_an_allocation_of_that_many(tmp_path, job):
    with pytest.raises(BadInput, match="sbatch --nodes=4"):
        several_machines_command(TRAINER, RunFolder(tmp_path), resume=False, environment=job)
