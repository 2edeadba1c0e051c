"""Published checkpoints: every entry is accounted for, and one that does not fit is named."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet import official
from lightning_modules.cocosnet.correspondence import CorrespondenceNetwork
from lightning_modules.cocosnet.discriminator import MultiscaleDiscriminator
from lightning_modules.cocosnet.generator import SpadeGenerator
from tests.lightning_modules.cocosnet.test_module import drawn, made

SMALL = {"semantic_nc": 5, "ngf": 4, "ndf": 8, "PONO": True, "PONO_C": True, "maskmix": True, "use_attention": True}


@pytest.mark.parametrize("kind", ["Corr", "G", "D"])
def test_a_state_dict_survives_the_way_there_and_back(kind):
    torch.manual_seed(0)
    network, other = official.build(kind, SMALL), official.build(kind, SMALL)
    state = official.to_official(network)
    report = official.load_state(other, state)
    assert report.loaded == len(state)
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("kind", "network"),
    [("Corr", CorrespondenceNetwork), ("G", SpadeGenerator), ("D", MultiscaleDiscriminator)],
)
def test_official_options_build_our_networks(kind, network):
    assert isinstance(official.build(kind, SMALL), network)


def test_options_that_change_the_correspondence_network_round_trip():
    options = {
        **SMALL,
        "PONO": False,
        "PONO_C": False,
        "adaptor_se": True,
        "adaptor_nonlocal": True,
        "adaptor_res_deeper": True,
        "dilation_conv": True,
        "use_coordconv": True,
        "match_kernel": 1,
    }
    network = official.build("Corr", options)
    flags = official.describe(official.to_official(network))
    told = {name: flags[name] for name in options if name in flags}
    assert told == {name: options[name] for name in told}
    assert flags["batch norm"]


def test_dead_branches_are_left_out_and_said():
    network = official.build("D", SMALL)
    state = official.to_official(network)
    dead = {f"discriminator_{i}.dec.9.weight": torch.zeros(1) for i in (0, 1)}
    report = official.load_state(network, {**state, **dead}, "latest_net_D.pth")
    assert report.loaded == len(state)
    assert sum(map(len, report.ignored.values())) == 2
    assert "never calls" in str(report)


def test_every_fault_of_a_state_dict_is_an_error():
    network = official.build("G", SMALL)
    state = official.to_official(network)
    for changed, says in (
        ({name: value for name, value in state.items() if name != "fc.bias"}, "missing fc.bias"),
        ({**state, "extra.weight": torch.zeros(1)}, "left over extra.weight"),
        ({**state, "up_0.gap_fc.weight": torch.zeros(1)}, "D_cam"),
        ({**state, "fc.bias": torch.zeros(3)}, r"fc.bias is \[3\]"),
    ):
        with pytest.raises(BadInput, match=says):
            official.load_state(network, changed, "latest_net_G.pth")


def test_a_checkpoint_of_another_set_is_named():
    """An edge model's file, asked into a network for face labels."""
    theirs = official.build("Corr", {**SMALL, **official.RELEASED["celebahqedge"]})
    ours = official.build("Corr", {**SMALL, **official.RELEASED["celebahq"]})
    with pytest.raises(BadInput, match=r"released set 'celebahqedge'.*semantic_nc 15 .here 19."):
        official.load_state(ours, official.to_official(theirs), "latest_net_Corr.pth")


def test_the_kernel_that_the_training_commands_leave_out_is_named():
    released = official.build("Corr", {**SMALL, **official.RELEASED["deepfashion"]})
    retrained = official.build("Corr", {**SMALL, **official.RELEASED["deepfashion"], "adaptor_kernel": 3})
    with pytest.raises(BadInput, match=r"adaptor_kernel 4 .here 3."):
        official.load_state(retrained, official.to_official(released))


def test_a_release_is_read_by_epoch_and_a_missing_file_is_an_error(tmp_path):
    for kind in ("Corr", "G"):
        torch.save({"x": torch.zeros(1)}, tmp_path / f"90_net_{kind}.pth")
    assert set(official.read_release(tmp_path, "90")) == {"Corr", "G"}
    with pytest.raises(BadInput, match=r"latest_net_Corr.pth is missing .the folder has 90_net_Corr.pth, 90_net_G.pth"):
        official.read_release(tmp_path)
    with pytest.raises(BadInput, match=r"no .*_net_.*.pth at all"):
        official.read_release(tmp_path / "nowhere")
    (tmp_path / "1_net_Corr.pth").write_text("no checkpoint")
    with pytest.raises(BadInput, match="cannot be read"):
        official.read_release(tmp_path, "1", ("Corr",))
    torch.save([1, 2], tmp_path / "2_net_G.pth")
    with pytest.raises(BadInput, match="not a bare state dict"):
        official.read_release(tmp_path, "2", ("G",))


def test_loss_flags_become_weights():
    given = official.loss_arguments(
        {"fm_ratio": 1.0, "which_perceptual": "4_2", "warp_self_w": 100.0, "gan_mode": "ls"}
    )
    assert given["weights"]["feature_matching"] == 10
    assert given["weights"]["self_warp"] == 100
    assert given["perceptual_layer"] == "r42"
    assert given["gan_mode"] == "lsgan"


def test_a_release_fills_a_module_and_gives_the_same_image(tmp_path):
    released, mine = made(), made()
    for kind, name in official.NETWORKS.items():
        network = getattr(released, name)
        torch.nn.init.normal_(next(network.parameters()))
        torch.save(official.to_official(network), tmp_path / f"latest_net_{kind}.pth")
    reports = official.load_into(mine, official.read_release(tmp_path, kinds=("Corr", "G", "D")))
    assert [report.ignored for report in reports] == [{}, {}, {}]
    with torch.inference_mode():
        assert torch.equal(mine.eval().translate(drawn()), released.eval().translate(drawn()))
    with pytest.raises(BadInput, match="no network 'E'"):
        official.load_into(mine, {"E": {}})
