"""City-block distances, in both of their forms."""

from __future__ import annotations

import pytest
import torch

from datamodules.structures.city_block import FAR, _by_opencv, _by_running_minima, city_block

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


def marks() -> torch.Tensor:
    marked = torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(0)) < 0.02
    marked[0, 1] = False
    return marked


def walked(marked: torch.Tensor) -> torch.Tensor:
    """The distances by walking to every mark."""
    y, x = torch.meshgrid(torch.arange(17), torch.arange(23), indexing="ij")
    rows, columns = marked.nonzero(as_tuple=True)
    return ((y[..., None] - rows).abs() + (x[..., None] - columns).abs()).amin(-1).short()


@pytest.mark.parametrize("form", [_by_opencv, _by_running_minima])
def test_distances_are_those_of_a_walk_along_rows_and_columns(form):
    marked = marks()
    found = form(marked)
    for image, channel in [(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]:
        assert found[image, channel].equal(walked(marked[image, channel]))


@pytest.mark.parametrize("form", [_by_opencv, _by_running_minima])
def test_where_nothing_is_marked_everything_is_far(form):
    assert (form(marks())[0, 1] >= FAR).all()


@needs_gpu
def test_a_gpu_gives_the_same_distances():
    assert city_block(marks().cuda()).cpu().clamp(max=765).equal(city_block(marks()).clamp(max=765))
