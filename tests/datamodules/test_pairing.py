"""Which images meet: checked against the same rules written out slowly."""

import itertools
import time

import numpy as np
import pytest

from datamodules.pairing import Pairs, nearest_others, same_identity


def test_same_identity_gives_all_ordered_pairs_in_the_published_order():
    identity = np.array([7, 3, 7, 3, 7, 9])
    expected = [pair for person in (3, 7, 9) for pair in itertools.permutations(np.flatnonzero(identity == person), 2)]
    assert same_identity(identity, np.ones(6, bool)).tolist() == [list(pair) for pair in expected]


def test_same_identity_leaves_out_what_is_not_usable_and_other_cameras():
    identity, camera = np.array([3, 3, 3, 3]), np.array([1, 2, 1, 1])
    pairs = same_identity(identity, np.array([True, True, True, False]), camera)
    assert pairs.tolist() == [[0, 2], [2, 0]]


def test_market_s_quarter_of_a_million_pairs_take_a_moment_and_little_memory():
    rng = np.random.default_rng(0)
    identity = rng.permutation(np.repeat(np.arange(751), rng.integers(8, 27, 751)))
    start = time.perf_counter()
    pairs = same_identity(identity, np.ones(len(identity), bool))
    assert time.perf_counter() - start < 2
    assert len(pairs) > 200_000
    assert pairs.nbytes == len(pairs) * 8


def test_a_drawn_source_is_any_row_but_the_target():
    pairs = Pairs(np.arange(5), np.arange(5), drawn="sources")
    rng = np.random.default_rng(0)
    drawn = {pairs.pick(2, rng) for _ in range(200)}
    assert drawn == {(0, 2), (1, 2), (3, 2), (4, 2)}
    assert {pairs.pick(4, rng)[0] for _ in range(200)} == {0, 1, 2, 3}


def test_limited_spreads_over_the_list_and_keeps_the_pool():
    pairs = Pairs(np.arange(100), np.arange(3), drawn="targets").limited(5)
    assert pairs.sources.tolist() == [0, 25, 50, 74, 99]
    assert len(pairs.targets) == 3
    assert len(pairs.limited(None)) == len(pairs.limited(50)) == 5


def test_nearest_others_equals_comparing_one_by_one():
    rng = np.random.default_rng(1)
    features, weights = rng.normal(size=(30, 6)), (rng.random((30, 6)) < 0.8).astype(float)
    identity = rng.integers(0, 8, 30)
    found = nearest_others(features, weights, identity, chunk=7)
    for row in range(30):
        distances = np.full(30, np.inf)
        for other in np.flatnonzero(identity != identity[row]):
            shared = weights[row] * weights[other]
            if shared.sum():
                mean = (shared * (features[row] - features[other]) ** 2).sum() / shared.sum()
                distances[other] = mean + 1 - shared.sum() / max(weights[row].sum(), weights[other].sum())
        assert distances[found[row]] == pytest.approx(distances.min(), abs=1e-5)


def test_nearest_others_finds_nobody_where_all_are_one():
    assert nearest_others(np.ones((3, 2)), np.ones((3, 2)), np.zeros(3)).tolist() == [-1, -1, -1]
