"""Image files as they are found: what carries meaning is converted, what does not is refused in one sentence."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image

from datamodules.reading import Unreadable, list_images, read_labels, read_mask, read_picture, scan
from tests.datamodules.conftest import paint

GREY = np.array([[0, 100], [200, 255]], np.uint8)


def saved(path, pixels, mode=None, **options):
    Image.fromarray(pixels, mode).save(path, **options) if mode else Image.fromarray(pixels).save(path, **options)
    return str(path)


def test_greyscale_becomes_three_equal_channels(tmp_path):
    assert (read_picture(saved(tmp_path / "a.png", GREY)) == GREY[..., None]).all()


def test_transparency_is_laid_over_white(tmp_path):
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    assert read_picture(saved(tmp_path / "a.png", pixels)).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_16_bits_are_scaled_and_not_cut_off(tmp_path):
    path = saved(tmp_path / "a.png", np.array([[0, 257, 32896, 65535]], np.uint16))
    assert read_picture(path)[..., 0].tolist() == [[0, 1, 128, 255]]


def test_a_palette_is_looked_up_also_its_transparent_entry(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "a.png", transparency=1)
    assert read_picture(str(tmp_path / "a.png")).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_cmyk_becomes_rgb(tmp_path):
    picture = read_picture(str(paint(tmp_path / "a.jpg", mode="CMYK", quality=95)))
    expected = read_picture(str(paint(tmp_path / "b.png")))
    assert np.abs(picture.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 20, "restart_marker_rows": 1}])
@pytest.mark.parametrize("size", [(37, 23), (16, 64), (1, 1)])
def test_a_jpeg_is_decoded_twice_as_fast_to_the_pixels_of_pillow(tmp_path, monkeypatch, subsampling, options, size):
    decoded = []
    fast = torchvision.io.decode_jpeg
    monkeypatch.setattr(torchvision.io, "decode_jpeg", lambda data: decoded.append(1) or fast(data))
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    path = saved(tmp_path / "a.jpg", pixels, subsampling=subsampling, **options)
    found = read_picture(path)
    assert decoded == [1]
    assert found.flags.c_contiguous
    assert (found == np.array(Image.open(path))).all()


def test_a_jpeg_that_is_cut_off_is_refused_unless_nothing_of_the_picture_is_lost(tmp_path):
    whole = paint(tmp_path / "a.jpg", size=(40, 60), quality=95).read_bytes()
    path = tmp_path / "b.jpg"
    for length in (len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable, match="is damaged: image file is truncated"):
            read_picture(str(path))
    path.write_bytes(whole[:-2])  # the mark of the end
    assert (read_picture(str(path)) == read_picture(str(tmp_path / "a.jpg"))).all()


def test_what_only_pillow_decodes_is_read_all_the_same(tmp_path, monkeypatch):
    def refused(data):
        raise RuntimeError("no such decoder here")

    path = str(paint(tmp_path / "a.jpg"))
    expected = read_picture(path)
    monkeypatch.setattr(torchvision.io, "decode_jpeg", refused)
    assert (read_picture(path) == expected).all()


def test_one_bit_per_pixel_becomes_black_and_white(tmp_path):
    assert set(np.unique(read_picture(str(paint(tmp_path / "a.png", mode="1"))))) == {0, 255}


def test_a_camera_that_was_held_upright_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_picture(str(paint(tmp_path / "a.jpg", size=(20, 30), exif=exif))).shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("at_least", "size"),
    [((201, 150), (400, 300)), ((150, 150), (200, 150)), ((90, 60), (100, 75)), ((9, 7), (50, 38))],
)
def test_a_large_jpeg_is_decoded_to_a_part_of_its_size_that_is_enough(tmp_path, at_least, size):
    path = str(paint(tmp_path / "a.jpg", size=(400, 300)))
    assert read_picture(path, at_least).shape == (*size, 3)
    assert read_picture(str(paint(tmp_path / "a.png", size=(400, 300))), at_least).shape == (400, 300, 3)


def test_what_is_enough_is_meant_of_the_picture_as_it_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(paint(tmp_path / "a.jpg", size=(200, 400), exif=exif))
    assert read_picture(path, (200, 100)).shape == (200, 100, 3)


def test_label_maps_keep_their_indices_in_every_form_that_holds_them(tmp_path):
    indices = np.array([[0, 7], [150, 255]], np.uint8)
    with_palette = Image.fromarray(indices, "P")
    with_palette.putpalette(list(range(256)) * 3)
    with_palette.save(tmp_path / "palette.png")
    for path in (
        saved(tmp_path / "grey.png", indices),
        str(tmp_path / "palette.png"),
        saved(tmp_path / "sixteen.png", indices.astype(np.uint16)),
        saved(tmp_path / "equal_channels.png", np.dstack([indices] * 3)),
    ):
        assert read_labels(path).tolist() == indices.tolist(), path


def test_a_coloured_label_map_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="is no label map: it has colours"):
        read_labels(str(paint(tmp_path / "a.png")))


BROKEN = {
    "empty": (lambda whole: b"", r"is empty \(0 bytes\)|is not an image"),
    "truncated": (lambda whole: whole[: len(whole) // 2], "is damaged"),
    "mistaken": (lambda whole: b"<html>404</html>", "is not an image"),
}


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "bmp", "tif", "gif"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_cannot_be_read_is_found_before_training_and_named_when_read(kind, extension, tmp_path):
    path = paint(tmp_path / f"a.{extension}", size=(60, 80))
    spoil, reason = BROKEN[kind]
    path.write_bytes(spoil(path.read_bytes()))
    found = scan([str(path)])
    assert list(found.faults) == [0], "the scan must find it"
    with pytest.raises(Unreadable, match=rf"a\.{extension} ({reason})"):
        read_picture(str(path))


def test_a_scan_tells_sizes_and_lets_whole_files_pass(tmp_path):
    paths = [
        str(paint(tmp_path / f"{i}.{kind}", size=(9, 7 + i))) for i, kind in enumerate(["jpg", "png", "webp", "bmp"])
    ]
    with Path(paths[0]).open("ab") as file:  # what some cameras append
        file.write(bytes(4096))
    found = scan(paths)
    assert found.faults == {}
    assert found.sizes.tolist() == [[9, 7], [9, 8], [9, 9], [9, 10]]


def test_a_scan_explains_what_is_missing(tmp_path):
    (tmp_path / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "folder.jpg").mkdir()
    faults = scan([str(tmp_path / name) for name in ("none.jpg", "link.jpg", "folder.jpg")]).faults
    assert faults == {
        0: "does not exist",
        1: "is a symbolic link to a file that does not exist",
        2: "is a folder",
    }


def test_listing_knows_images_by_extension_and_follows_links_once(tmp_path):
    for name in ("b.JPG", "ä ö/c.Jpeg", "a.png"):
        paint(tmp_path / name)
    for name in ("Thumbs.db", ".DS_Store", "._a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "ä ö" / "round").symlink_to(tmp_path)
    (tmp_path / "linked.png").symlink_to(tmp_path / "a.png")
    images, others = list_images(tmp_path)
    assert images == ["a.png", "b.JPG", "linked.png", "ä ö/c.Jpeg"]
    assert others == ["Thumbs.db", "notes.txt"]
    assert list_images(tmp_path, pattern="*.jp*g")[0] == ["b.JPG", "ä ö/c.Jpeg"]
    assert list_images(tmp_path, recursive=False)[0] == ["a.png", "b.JPG", "linked.png"]


def test_an_unreadable_file_survives_the_way_from_a_worker():
    error = pickle.loads(pickle.dumps(Unreadable("a.jpg", "is damaged")))
    assert (str(error), error.path) == ("a.jpg is damaged", "a.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_named(tmp_path):
    path = paint(tmp_path / "a.png")
    path.chmod(0)
    assert scan([str(path)]).faults == {0: "may not be read: permission denied"}


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_grey_pictures_of_any_depth_are_masks(mode, tmp_path):
    values = np.zeros((8, 6), dtype=np.uint16 if mode == "I;16" else np.uint8)
    values[:, :3] = 65535 if mode == "I;16" else 255
    picture = Image.fromarray(values)
    (picture if mode == "I;16" else picture.convert(mode)).save(tmp_path / "mask.png")
    assert (read_mask(str(tmp_path / "mask.png")) == np.array([255, 255, 255, 0, 0, 0])).all()


def test_what_nobody_painted_is_outside_of_a_mask(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    assert (read_mask(str(tmp_path / "mask.png")) == np.array([255, 255, 255, 0, 0, 0])).all()


def test_files_that_are_no_masks_are_refused(tmp_path):
    with pytest.raises(Unreadable, match="does not exist"):
        read_mask(str(tmp_path / "none.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(Unreadable, match="is not an image"):
        read_mask(str(tmp_path / "text.png"))
    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    with pytest.raises(Unreadable, match="colour picture"):
        read_mask(str(tmp_path / "red.png"))
