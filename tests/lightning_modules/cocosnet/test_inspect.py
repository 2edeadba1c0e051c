"""Where points look, in numbers and as a picture."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet import inspect
from lightning_modules.cocosnet.correlation import Correlation
from lightning_modules.cocosnet.view import colour_field, colour_key, confidence_picture
from tests.lightning_modules.cocosnet.test_module import drawn, made


def test_points_look_where_the_matches_say():
    translator, batch = made().eval(), drawn(1)
    looks = inspect.look(translator, batch, [(0, 0), (33, 18)])
    with torch.inference_mode():
        matches = translator.look_and_translate(batch)[0].correlation.matches()
    for found, (row, column) in zip(looks, [(0, 0), (4, 8)], strict=True):
        assert found.confidence == pytest.approx(matches.confidence[0, 0, row, column].item(), rel=1e-3)
        best_row, best_column = divmod(int(matches.best[0, row, column]), 16)
        assert found.best == (best_column * 4 + 2, best_row * 4 + 2)
        mean = (matches.expected[0, :, row, column] + 1) * 32
        assert found.expected == pytest.approx(tuple(mean.tolist()), abs=0.05)
        assert found.weights.sum().item() == pytest.approx(1, abs=1e-4)
    sheet = inspect.picture(translator, batch, looks)
    assert sheet.width > 4 * 256
    assert len(set(sheet.resize((64, 64)).get_flattened_data())) > 50


def test_a_point_outside_is_refused():
    with pytest.raises(BadInput, match="64,0 lies outside the structure, which is 64 wide"):
        inspect.look(made().eval(), drawn(1), [(64, 0)])


def test_only_checkpoints_of_this_method_are_taken(tmp_path):
    torch.save({"config": {"model": {"_target_": "lightning_modules.pidm.module.PIDM"}}}, tmp_path / "other.ckpt")
    (tmp_path / "text.ckpt").write_text("text")
    for name, says in (
        ("absent.ckpt", "no such checkpoint"),
        ("text.ckpt", "cannot be read"),
        ("other.ckpt", "no checkpoint of CoCosNet"),
    ):
        with pytest.raises(BadInput, match=says):
            inspect.load(str(tmp_path / name))


def test_the_colour_field_of_a_map_with_itself_is_the_colour_key():
    features = torch.randn(1, 32, 6, 5, generator=torch.Generator().manual_seed(0))
    matches = Correlation(features, features).matches()
    torch.testing.assert_close(colour_field(matches, (6, 5)), colour_key((6, 5)), atol=0.01, rtol=0)
    assert confidence_picture(matches, (12, 10)).min() > 0.95
