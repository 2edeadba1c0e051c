"""Every measure has a meaning and a direction."""

from __future__ import annotations

import pytest

from datamodules.bad_input import BadInput
from metrics.glossary import MEANING, PER_IMAGE, better, measure_of


def test_logged_names_lead_to_their_measure() -> None:
    assert measure_of("val/copy_source/ssim") == "ssim"
    assert better("val/ssim") == "higher"
    assert better("test/copy_source/fid") == "lower"


def test_what_is_no_measure_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="Did you mean 'lpips'"):
        better("val/lpip")


def test_per_image_measures_are_measures() -> None:
    assert set(MEANING) - set(PER_IMAGE) == {"fid", "swd"}
