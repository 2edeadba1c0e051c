"""Published weights become a checkpoint that translates."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from engine import translation
from engine.adopt import adopted, main
from tests.commanding import composed
from tests.parity.golden import Golden


def test_a_published_generator_translates_a_photograph(tmp_path, golden_dir):
    """The golden's generator stands for a download: same names, smaller."""
    golden = Golden(golden_dir / "cyclegan_resnet.json")
    file = tmp_path / "latest_net_G.pth"
    torch.save(golden.state(), file)
    main_arguments = [
        "cyclegan",
        str(tmp_path / "adopted.ckpt"),
        f"G_A={file}",
        "--set",
        "data.height=64",
        "data.width=64",
    ]
    with pytest.raises(SystemExit) as ended:
        main(main_arguments)
    assert ended.value.code == 0
    Image.new("RGB", (80, 60), (200, 30, 30)).save(tmp_path / "photo.jpg")
    translation.main(
        composed(
            f"ckpt={tmp_path}/adopted.ckpt",
            f"source={tmp_path}/photo.jpg",
            f"out={tmp_path}/out",
            "device=cpu",
            command="translate",
        ),
        tmp_path,
    )
    assert Image.open(tmp_path / "out" / "photo.png").size == (64, 64)


def test_a_file_of_another_network_is_refused_by_name(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"other\.pth"):
        adopted("cyclegan", {"G_A": tmp_path / "other.pth"})
