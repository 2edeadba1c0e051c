"""Text that is not in UTF-8 is said in one sentence, by whoever reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.ade_files import read_categories, read_stems
from datamodules.bad_input import BadInput
from datamodules.celeba_files import read_mapping, read_numbers
from datamodules.exemplar_lists import ExemplarList
from datamodules.target_lists import read_lines
from datamodules.text_file import read_text


@pytest.mark.parametrize(
    "read", [read_categories, read_stems, read_mapping, read_numbers, ExemplarList.read, read_lines]
)
def test_a_list_in_another_encoding_is_named_with_its_line(read, tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_bytes("ok.jpg,b\ncaf\u00e9.jpg,b\n".encode("latin-1"))
    with pytest.raises(BadInput, match=r"list\.txt, line 2: this is not text in UTF-8"):
        read(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\r\n")
    assert read_text(path).splitlines() == ["caf\u00e9"]
