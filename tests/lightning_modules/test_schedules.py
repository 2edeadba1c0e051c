"""The learning rate of each epoch."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.schedules import linear_decay


def rates(epochs: int, **settings: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = linear_decay(optimizer, **settings)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_stays_then_falls_to_zero_right_after_the_last_epoch():
    assert rates(7, constant_epochs=2, decay_epochs=3) == pytest.approx([1, 1, 0.75, 0.5, 0.25, 0, 0])


def test_the_defaults_are_the_papers():
    found = rates(200)
    assert found[:100] == [1.0] * 100
    assert found[100] == pytest.approx(100 / 101)
    assert found[199] == pytest.approx(1 / 101)


def test_a_run_that_starts_in_the_middle_has_the_rates_of_the_whole():
    whole = rates(10, constant_epochs=4, decay_epochs=6)
    assert rates(5, constant_epochs=4, decay_epochs=6, first_epoch=6) == pytest.approx(whole[5:])
