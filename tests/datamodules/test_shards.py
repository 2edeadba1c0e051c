"""Datasets in shards: the same batches as from files, to the bit, and nothing but files out of a tar."""

import functools
import http.server
import io
import json
import tarfile
import threading

import pytest

from datamodules import replica
from datamodules.ade20k import ADE20k
from datamodules.bad_input import BadInput
from datamodules.celebahq import CelebAHQ
from datamodules.deepfashion import DeepFashion
from datamodules.market1501 import Market1501
from datamodules.pack import main, pack
from datamodules.shard_view import make_view
from tests.datamodules.conftest import paint
from tests.datamodules.test_resume import same, through

SIZES = {
    "height": 48,
    "width": 48,
    "load_height": 52,
    "load_width": 52,
    "flip": 0.5,
    "batch_size": 2,
    "val_fraction": 0.3,
}
REPLICAS = {
    "market1501": ({"identities": 5, "images_per_identity": 4}, Market1501, "same_identity", "pose_heatmaps"),
    "deepfashion": ({"identities": 5, "height": 64}, DeepFashion, "same_identity", "pose_map"),
    "celebahq": ({"identities": 6, "images_per_identity": 2, "size": 64}, CelebAHQ, "reference", "labels"),
    "ade20k": ({"images": 14, "validation": 4, "size": 48}, ADE20k, "reference", "labels"),
}


@pytest.mark.parametrize(
    "name",
    [
        "market1501",
        "ade20k",
        pytest.param("deepfashion", marks=pytest.mark.slow),
        pytest.param("celebahq", marks=pytest.mark.slow),
    ],
)
def test_batches_from_shards_are_those_from_files(name, tmp_path):
    settings, kind, pairing, structure = REPLICAS[name]
    replica.write(name, tmp_path / "files", seed=0, **settings)
    shards = pack(name, tmp_path / "files", tmp_path / "out", shard_bytes=30_000)
    assert len(shards) > 1

    def data(workers, **more):
        return kind(**SIZES, pairing=pairing, structure=structure, num_workers=workers, **more)

    plain = data(0, root=str(tmp_path / "files"))
    packed = data(2, root=str(tmp_path / "view"), shards=str(tmp_path / "out"))
    for one in (plain, packed):
        one.prepare_data()
        one.setup(None)
    assert (tmp_path / "view" / plain.datasets["train"].table.key(0)).stat().st_size == 0, "images stay in the shards"
    a, b = through(plain, 2), through(packed, 2)
    assert len(a) == len(b) > 1
    assert all(same(x, y) for x, y in zip(a, b, strict=True))
    assert same(plain.examples("test", 4), packed.examples("test", 4))
    packed.prepare_data()  # a second run finds the view


@pytest.fixture
def served(tmp_path):
    """A folder behind an address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def pictures(folder, count=6):
    for number in range(count):
        paint(folder / f"{number:02}.png", number, size=(20, 30))
    return folder


def test_shards_are_fetched_from_an_address(folders, tmp_path, served):
    pictures(tmp_path / "files" / "x")
    pack("folders", tmp_path / "files", tmp_path / "out", shard_bytes=5_000)
    plain = folders(root=str(tmp_path / "files"), pairing="self")
    for number, source in enumerate((f"{served}/out", f"{served}/out/folders-{{000000..000001}}.tar")):
        data = folders(root=str(tmp_path / f"view{number}"), shards=source, pairing="self")
        data.prepare_data()
        for one in (plain, data):
            one.setup("fit")
        if number == 0:
            assert same(plain.examples("train", 3), data.examples("train", 3))
    with pytest.raises(BadInput, match=r"nothing/shards\.json cannot be fetched"):
        make_view(tmp_path / "v", f"{served}/nothing")
    (tmp_path / "out" / "folders-000001.tar").write_bytes(b"cut")
    with pytest.raises(BadInput, match="came damaged or cut off"):
        make_view(tmp_path / "v", f"{served}/out")
    assert not (tmp_path / "v").exists()


def test_packing_goes_on_where_it_stopped_and_gives_the_same(tmp_path):
    files = pictures(tmp_path / "files")
    first = {path.name: path.read_bytes() for path in pack("folders", files, tmp_path / "a", 4_000)}
    (tmp_path / "a" / "shards.json").unlink()
    cut = tmp_path / "a" / sorted(first)[1]
    cut.write_bytes(cut.read_bytes()[:700])
    kept = (tmp_path / "a" / sorted(first)[0]).stat().st_mtime_ns
    again = {path.name: path.read_bytes() for path in pack("folders", files, tmp_path / "a", 4_000)}
    assert again == first
    assert (tmp_path / "a" / sorted(first)[0]).stat().st_mtime_ns == kept
    keys = []
    for path in first:
        with tarfile.open(tmp_path / "a" / path) as tar:
            keys += [member.split(".")[0] for member in tar.getnames()]
    assert keys == sorted(keys)


def test_anybodys_shards_are_read(folders, tmp_path):
    """Members KEY.jpg and KEY.png beside each other, in one tar."""
    for number in range(6):
        paint(tmp_path / "raw" / f"{number}.jpg", number)
        paint(tmp_path / "raw" / f"{number}.png", number + 9)
    with tarfile.open(tmp_path / "set-0.tar", "w") as tar:
        for path in sorted((tmp_path / "raw").iterdir()):
            tar.add(path, path.name)
    data = folders(
        root=str(tmp_path / "view"), shards=str(tmp_path / "set-{0..0}.tar"), layout="same_names",
        folder_x=".", folder_y=".", pattern_x="*.png", pattern_y="*.jpg",
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    batch = data.examples("train", 4)
    assert batch.paired.all()
    assert batch.source_key[0].endswith(".png")
    assert batch.target_key[0].endswith(".jpg")


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "a/.shards/names.npy"])
def test_no_member_lands_outside_the_view(tmp_path, name):
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(BadInput, match="would lie outside the view"):
        make_view(tmp_path / "deep" / "view", str(tmp_path / "bad.tar"))
    assert not (tmp_path / "deep" / "view").exists()


def test_links_and_compressed_tars_are_refused(tmp_path):
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(BadInput, match="a link or a device"):
        make_view(tmp_path / "view", str(tmp_path / "link.tar"))
    paint(tmp_path / "a.png")
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "a.png", "a.png")
    with pytest.raises(BadInput, match=r"unpack it to a plain \.tar first"):
        make_view(tmp_path / "view", str(tmp_path / "packed.tar.gz"))


def test_a_root_that_is_something_else_is_left_alone(tmp_path, folders):
    pictures(tmp_path / "x")
    pack("folders", tmp_path / "x", tmp_path / "out")
    with pytest.raises(BadInput, match="is no view of shards"):
        make_view(tmp_path / "x", str(tmp_path / "out"))
    make_view(tmp_path / "view", str(tmp_path / "out"))
    with pytest.raises(BadInput, match="is a view of"):
        make_view(tmp_path / "view", str(tmp_path / "other"))


def test_what_is_packed_must_be_the_dataset(tmp_path, capsys):
    pictures(tmp_path / "x")
    with pytest.raises(BadInput, match="it is no copy of celebahq"):
        main(["celebahq", str(tmp_path / "x"), str(tmp_path / "out")])
    with pytest.raises(BadInput, match="Did you mean 'celebahq'"):
        main(["celebhq", str(tmp_path / "x"), str(tmp_path / "out")])
    main(["folders", str(tmp_path / "x"), str(tmp_path / "out")])
    assert "1 shards" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "shards.json").read_text())["files"] == 6
