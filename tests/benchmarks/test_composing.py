"""What benchmarks measure: every method that has a config, at the size of its quick start."""

from __future__ import annotations

import pytest

from benchmarks.composing import methods, small
from tests.commanding import composed


@pytest.mark.parametrize("method", methods())
def test_the_small_size_of_a_method_is_that_of_its_quick_start(method):
    words = small(method)
    assert words[0].startswith("experiment=quickstart")
    config = composed(*words)
    assert f".{method}." in config["model"]["_target_"]


def test_quick_starts_that_share_a_folder_ask_for_the_same_replica_there():
    wanted: dict[str, dict] = {}
    for method in methods():
        data = composed(*small(method))["data"]
        assert wanted.setdefault(data["root"], data["replica"]) == data["replica"], data["root"]
