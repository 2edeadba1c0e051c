"""What is wrong with a command is said in one sentence, at once, and nothing is left behind."""

from __future__ import annotations

import time

import pytest

from tests.commanding import finished

SAYS = {
    "a misspelt key": (["modell.ngf=3"], "modell", "Did you mean 'model'?"),
    "a misspelt key of a trainer": (["trainer.max_step=3"], "trainer.max_step", "Did you mean 'max_steps'?"),
    "a key that is added": (["+model.ngff=3"], "model.ngff is not a setting of", "Did you mean 'ngf'?"),
    "a wrong type": (["trainer.max_steps=many"], "trainer.max_steps='many' should be a valid integer", ""),
    "a wrong choice": (["data.pairing=domain"], "data.pairing='domain' should be", "Did you mean 'domains'?"),
    "an unknown method": (["model=pix2pixel"], "there is no such model", "Did you mean 'pix2pix'?"),
    "an unknown group": (["modle=pix2pix"], "modle", "Did you mean 'model'?"),
    "an unknown experiment": (["experiment=quick"], "there is no such experiment", "Did you mean 'quickstart'?"),
    "no run to go on with": (["resume=nowhere"], "nowhere is not the folder of a run", ""),
    "no weights to start from": (["init=nowhere.ckpt"], "init=nowhere.ckpt: there is no such checkpoint", ""),
    "a sweep of which one value is wrong": (["-m", "trainer.max_steps=many,more"], "should be a valid integer", ""),
}


@pytest.mark.parametrize("what", SAYS)
def test_a_wrong_word_is_named_with_its_nearest_before_anything_heavy_is_imported(what, tmp_path):
    words, names, suggests = SAYS[what]
    start = time.perf_counter()
    done = finished("train.py", *words, f"hydra.run.dir={tmp_path}/run", f"hydra.sweep.dir={tmp_path}/run")
    said = done.stderr + done.stdout
    assert done.returncode == 1
    assert names in said
    assert suggests in said
    assert "Traceback" not in said
    if "-m" not in words:
        assert said.startswith("Error: "), said
        assert said.count("\n") == 1
    assert not list(tmp_path.rglob("*.*")) or "-m" in words  # a sweep has written what it sweeps over
    assert time.perf_counter() - start < 20  # a hang would be a fault; the speed itself is measured in benchmarks/


def test_a_typo_in_a_yaml_file_is_found_like_one_on_the_command_line(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nmodel:\n  l1_wieght: 10.0\n")
    done = finished(
        "train.py", "experiment=mine", f"hydra.searchpath=[file://{tmp_path}]", f"hydra.run.dir={tmp_path}/run"
    )
    assert done.returncode == 1
    assert "model.l1_wieght is not a setting of" in done.stderr
    assert "Did you mean 'l1_weight'?" in done.stderr


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job", "--resolve"]])
def test_asking_what_would_run_imports_no_torch(words):
    program = "import runpy, sys; sys.argv = ['train.py', *{words!r}]\ntry: runpy.run_path('train.py', run_name='__main__')\nexcept SystemExit: pass\nassert 'torch' not in sys.modules"
    done = finished("-c", program.format(words=words))
    assert done.returncode == 0, done.stderr
    assert "model" in done.stdout
