"""The pool of earlier images: what comes back, what is kept, and that it goes on as it was."""

from __future__ import annotations

import torch

from lightning_modules.blocks.image_pool import ImagePool, swap_half_of_them


def numbered(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def numbers(images: torch.Tensor) -> list[int]:
    return images[:, 0, 0, 0].int().tolist()


def test_while_it_fills_up_new_images_come_back():
    pool = ImagePool(3)
    assert numbers(pool.query(numbered(0, 1))) == [0, 1]
    assert numbers(pool.query(numbered(2))) == [2]
    assert numbers(torch.stack(pool.images)) == [0, 1, 2]


def test_a_full_pool_swaps_or_passes_on():
    choices = iter([1, None, 0])
    pool = ImagePool(2, lambda size: next(choices))
    pool.query(numbered(0, 1))
    assert numbers(pool.query(numbered(2, 3, 4))) == [1, 3, 0]
    assert numbers(torch.stack(pool.images)) == [4, 2]


def test_about_half_of_what_comes_back_is_old_and_every_place_is_used():
    torch.manual_seed(0)
    drawn = [swap_half_of_them(4) for _ in range(2000)]
    swaps = [position for position in drawn if position is not None]
    assert 900 < len(swaps) < 1100
    assert all(swaps.count(position) > 150 for position in range(4))


def test_it_keeps_copies_without_gradients():
    pool = ImagePool(1)
    images = numbered(0).clone().requires_grad_()
    assert not pool.query(images).requires_grad
    with torch.no_grad():
        images.fill_(7)
    assert numbers(torch.stack(pool.images)) == [0]


def test_no_pool_returns_what_is_given():
    images = numbered(5, 6)
    assert torch.equal(ImagePool(0).query(images), images)


def test_a_pool_that_is_loaded_goes_on_like_the_one_that_was_saved():
    torch.manual_seed(0)
    pool, loaded = ImagePool(4), ImagePool(4)
    pool.query(numbered(*range(6)))
    loaded.load(pool.state())
    torch.manual_seed(1)
    expected = [numbers(pool.query(numbered(number))) for number in range(6, 30)]
    torch.manual_seed(1)
    assert [numbers(loaded.query(numbered(number))) for number in range(6, 30)] == expected


def test_an_empty_pool_is_saved_as_none_and_a_smaller_pool_takes_what_fits():
    assert ImagePool(4).state() is None
    pool = ImagePool(4)
    pool.query(numbered(0, 1, 2))
    smaller = ImagePool(2)
    smaller.load(pool.state())
    assert numbers(torch.stack(smaller.images)) == [0, 1]
    smaller.load(None)
    assert smaller.images == []


def test_images_of_several_sizes_are_kept_for_a_checkpoint():
    pool, other = ImagePool(4), ImagePool(4)
    for side in (4, 6, 4):
        pool.query(torch.rand(1, 3, side, 5))
    other.load(pool.state())
    assert [image.shape for image in other.images] == [(3, 4, 5), (3, 6, 5), (3, 4, 5)]
    assert all(a.equal(b) for a, b in zip(pool.images, other.images, strict=True))
