"""Published weights become a checkpoint that translates."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from datamodules.bad_input import BadInput
from engine import translation
from engine.adopt import adopted, main, methods
from engine.build import build_translator
from lightning_modules.cocosnet import official as cocosnet
from lightning_modules.pidm import official as pidm
from lightning_modules.swapae import official as swapae
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
    assert Image.open(tmp_path / "out" / "photo.png").size == (80, 60), "as large as the photograph"


def test_a_file_of_another_network_is_refused_by_name(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match=r"other\.pth"):
        adopted("cyclegan", {"G_A": tmp_path / "other.pth"})


def saved(state, file):
    torch.save(state, file)
    return file


def release(folder, **flags):
    """Files of a small CoCosNet, named as published."""
    small = {"ngf": 4, "ndf": 8, "PONO": True, "PONO_C": True, "use_attention": True, **flags}
    files = {}
    for kind in ("Corr", "G", "D"):
        network = cocosnet.build(kind, small)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        files[kind] = saved(cocosnet.to_official(network), folder / f"90_net_{kind}.pth")
    return files


def test_methods_are_those_that_have_an_official_module():
    assert methods() == ["cocosnet", "cyclegan", "pidm", "pix2pix", "swapae"]


@pytest.mark.parametrize("name", sorted(cocosnet.RELEASED))
def test_each_released_set_of_cocosnet_chooses_its_data_and_keeps_its_flags(name, tmp_path):
    flags = cocosnet.RELEASED[name]
    checkpoint, reports = adopted("cocosnet", release(tmp_path, **flags), ["data.height=64", "data.width=64"])
    model, data = checkpoint["config"]["model"], checkpoint["config"]["data"]
    assert data["_target_"].rsplit(".", 1)[-1].lower() == name.removesuffix("edge")
    assert data["structure_channels"] == flags["semantic_nc"]
    network = model["correspondence"]
    assert (network["adaptor_kernel"], network["mask_mixing"]) == (flags["adaptor_kernel"], flags["maskmix"])
    assert network["fetch"] == ("patches" if flags["warp_patch"] else "pixels")
    assert [report.ignored for report in reports] == [{}, {}, {}]


def test_a_release_of_cocosnet_translates(tmp_path, capsys):
    files = release(tmp_path, **cocosnet.RELEASED["celebahq"])
    words = ["cocosnet", str(tmp_path / "faces.ckpt"), *(f"{kind}={file}" for kind, file in files.items())]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--set", "data.height=64", "data.width=64", "data.load_height=64", "data.load_width=64"])
    assert ended.value.code == 0
    assert "90_net_Corr.pth" in capsys.readouterr().out
    Image.new("RGB", (80, 80), (200, 30, 30)).save(tmp_path / "photo.jpg")
    Image.new("L", (80, 80), 1).save(tmp_path / "map.png")
    words = [f"ckpt={tmp_path}/faces.ckpt", f"source={tmp_path}/photo.jpg", f"structure={tmp_path}/map.png"]
    translation.main(
        composed(*words, f"out={tmp_path}/out", "device=cpu", "panels=true", command="translate"), tmp_path
    )
    assert Image.open(tmp_path / "out" / "photo_to_map.png").size == (80, 80), "as large as the map"
    panels = {file.stem for file in (tmp_path / "out" / "photo_to_map").iterdir()}
    assert panels == {"structure", "exemplar", "exemplar_colour_key", "correspondence", "confidence", "warped_exemplar"}
    (tmp_path / "out" / "photo_to_map.png").unlink()
    with pytest.raises(BadInput, match=r"photo_to_map exists already"):
        translation.main(composed(*words, f"out={tmp_path}/out", "panels=true", command="translate"), tmp_path)


def test_half_a_release_of_cocosnet_is_refused(tmp_path):
    files = release(tmp_path, **cocosnet.RELEASED["deepfashion"])
    with pytest.raises(BadInput, match="G is missing"):
        adopted("cocosnet", {"Corr": files["Corr"]})
    with pytest.raises(BadInput, match="of another network"):
        adopted("cocosnet", {"Corr": files["G"], "G": files["G"]})
    state = torch.load(files["Corr"])
    half = {name: value for name, value in state.items() if not name.startswith(("layer.2.", "phi."))}
    file = saved({**half, "theta.extra": torch.zeros(1)}, tmp_path / "half.pth")
    with pytest.raises(BadInput, match=r"half\.pth .*missing layer\.2\..* and 3 more; left over theta\.extra"):
        adopted("cocosnet", {**files, "Corr": file}, ["data.height=64", "data.width=64"])


def test_files_of_different_sets_are_told_apart(tmp_path):
    (tmp_path / "edges").mkdir()
    files = release(tmp_path, **cocosnet.RELEASED["celebahq"])
    edges = release(tmp_path / "edges", **cocosnet.RELEASED["celebahqedge"])
    with pytest.raises(BadInput, match=r"semantic_nc 19 but .*edges.* has 15: files of different released sets"):
        adopted("cocosnet", {**files, "G": edges["G"]})


def test_one_file_needs_no_name_and_absent_ones_are_listed(tmp_path):
    with pytest.raises(SystemExit, match=r"there is no file .*last\.pt"):
        main(["pidm", str(tmp_path / "out.ckpt"), str(tmp_path / "last.pt")])
    with pytest.raises(SystemExit, match="does not say which network"):
        main(["cocosnet", str(tmp_path / "out.ckpt"), "90_net_G.pth"])
    with pytest.raises(SystemExit, match=r"no network 'g'"):
        main(["pix2pix", str(tmp_path / "out.ckpt"), "g=latest_net_G.pth"])


def test_a_published_pidm_is_adopted(tmp_path):
    words = {
        "image_size": 32,
        "model_channels": 8,
        "num_res_blocks": 1,
        "embed_channels": 16,
        "channel_mult": [1, 2, 2],
    }
    state = pidm.to_official(pidm.network({**words, "attention_resolutions": [16, 8]}))
    file = saved({"ema": state}, tmp_path / "last.pt")
    checkpoint, reports = adopted("pidm", {"ema": file}, ["data=market1501", "data.height=32", "data.width=16"])
    assert len(reports[0].loaded) == len(state)
    assert checkpoint["config"]["data"]["_target_"].endswith("Market1501")
    with pytest.raises(BadInput, match=r"takes structures of 20 channels, but those of the data have 18"):
        adopted(
            "pidm",
            {"ema": file},
            ["data=market1501", "data.structure=pose_heatmaps", "data.height=32", "data.width=16"],
        )


@pytest.mark.parametrize(
    "words", [["experiment=pidm_deepfashion_official"], ["model=pidm", "data=market1501", "data.structure=pose_map"]]
)
def test_a_new_run_can_start_from_the_released_pidm(words):
    """`init=` asks for networks of the same names and sizes."""
    with torch.device("meta"):  # sizes without memory
        released = build_translator(composed("model=pidm", *pidm.settings_told_by({}))).state_dict()
        new = build_translator(composed(*words)).state_dict()
    assert {name: value.shape for name, value in released.items()} == {name: value.shape for name, value in new.items()}


def test_a_published_swapping_autoencoder_is_adopted(tmp_path, monkeypatch):
    small = {
        "crop_size": 64,
        "spatial_code_ch": 4,
        "global_code_ch": 16,
        "netE_num_downsampling_sp": 2,
        "netE_num_downsampling_gl": 1,
        "netE_scale_capacity": 0.125,
        "netG_scale_capacity": 0.125,
        "netD_scale_capacity": 0.125,
        "netPatchD_scale_capacity": 0.125,
        "netPatchD_max_nc": 16,
        "patch_size": 32,
    }
    monkeypatch.setitem(swapae.RELEASED, "small", small)
    state = swapae.to_official(swapae.networks(small), with_constants=True)
    checkpoint, reports = adopted("swapae", {"checkpoint": saved(state, tmp_path / "latest_checkpoint.pth")})
    assert checkpoint["config"]["data"]["height"] == 64
    assert len(reports) == 1
    with pytest.raises(BadInput, match="no published model"):
        adopted("swapae", {"checkpoint": {name: value for name, value in state.items() if "ToRGB" not in name}})
