"""Input that a user can mend: said in one sentence, without a traceback.

Every floor of the project raises `BadInput` for what is wrong with a file, a folder, a checkpoint or a setting.
The commands print its sentence and exit with a code that is not 0; `HYDRA_FULL_ERROR=1` shows the traceback too.
"""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec

P = ParamSpec("P")


class BadInput(Exception):
    """One sentence that says what is wrong, where, and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for the closest of the known names, or '' when none is close: appended to a sentence."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


def exits_with_one_sentence(main: Callable[P, int | None]) -> Callable[P, None]:
    """Turn a `main` of a small command (`python -m datamodules.replica ...`) into one that ends as a command should.

    `BadInput` is printed as one sentence and ends with code 1; otherwise the code is what `main` returns (None: 0).
    """

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = main(*args, **kwargs)
        except BadInput as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            sys.exit(f"Error: {error}")
        sys.exit(code or 0)

    return run
