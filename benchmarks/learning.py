"""What a method learns in minutes on replicas, beside its baselines: tables and grids.

    python -m benchmarks.learning pidm
    python -m benchmarks.learning cocosnet --minutes 20 --out runs/learning/cocosnet

Each method has a study in `benchmarks/studies/`, which trains small models with `train.py`, measures them on identities that
they have not seen, and measures the baselines on the same pairs. `--out` then holds the runs, `report.md` and the grids.
"""

from __future__ import annotations

import argparse
import importlib
import pathlib
import pkgutil

import benchmarks.studies


def main() -> None:
    """Run the study that the command line names."""
    methods = sorted(module.name for module in pkgutil.iter_modules(benchmarks.studies.__path__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=methods)
    parser.add_argument("--minutes", type=float, help="of each training (default: the study's)")
    parser.add_argument("--out", type=pathlib.Path, help="a folder (default: runs/learning/METHOD)")
    given = parser.parse_args()
    study = importlib.import_module(f"benchmarks.studies.{given.method}")
    out = given.out or pathlib.Path("runs/learning") / given.method
    out.mkdir(parents=True, exist_ok=True)
    report = study.study(out, given.minutes or study.MINUTES)
    (out / "report.md").write_text(report)
    print(report)
    print(f"The runs, the grids and this report are in {out}")


if __name__ == "__main__":
    main()
