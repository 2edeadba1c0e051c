"""Lists and tables as text."""

from __future__ import annotations

from pathlib import Path

from datamodules.bad_input import BadInput


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        BadInput: it is not in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}, line {line}: this is not text in UTF-8; save the file in that encoding") from error
