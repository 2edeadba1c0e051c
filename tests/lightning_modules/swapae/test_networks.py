"""Encoder, generator and discriminators: sizes, what they refuse, and that they are at home in any shape."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.swapae.autoencoder import Autoencoder
from lightning_modules.swapae.codes import content_picture, half, normalise, swap_order
from lightning_modules.swapae.discriminator import Discriminator
from lightning_modules.swapae.encoder import Encoder
from lightning_modules.swapae.generator import Generator
from lightning_modules.swapae.patch_discriminator import PatchDiscriminator
from lightning_modules.swapae.random_crop import CropDraws, random_crop
from tests.lightning_modules.swapae.networks import autoencoder, encoder, generator


def test_official_sizes_are_the_default():
    with torch.device("meta"):
        networks = [Encoder(), Generator(), Discriminator(), PatchDiscriminator()]
        image, crops = torch.empty(2, 3, 256, 256), torch.empty(2, 8, 3, 128, 128)
        content, style = networks[0](image)
        assert content.shape == (2, 8, 16, 16)
        assert style.shape == (2, 2048)
        assert networks[1](content, style, "none").shape == image.shape
        assert networks[2](image).shape == (2, 1)
        assert networks[3](crops, crops).shape == (2, 8)
    counted = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counted == [30_584_872, 25_064_743, 28_859_521, 24_522_145]


@pytest.mark.parametrize(
    ("height", "width", "halvings"),
    [(128, 64, 3), (256, 176, 4), (256, 256, 4), (512, 512, 4), (64, 64, 3), (32, 28, 2)],
)
def test_auto_halves_as_often_as_the_style_head_allows(height, width, halvings):
    with torch.device("meta"):
        made = Encoder(content_downsamplings="auto", height=height, width=width, capacity=0.1, style_channels=32)
        drawn = Generator(upsamplings="auto", height=height, width=width, style_channels=32, capacity=0.1)
        judge = Discriminator(height, width, 0.05, 16)
        image = torch.empty(1, 3, height, width)
        content, style = made(image)
        assert made.stride == drawn.stride == 2**halvings
        assert drawn(content, style).shape == image.shape
        assert judge(image).shape == (1, 1)


def test_codes_have_unit_length_at_every_place():
    content, style = encoder()(torch.rand(2, 3, 16, 24))
    torch.testing.assert_close(content.norm(dim=1), torch.ones(2, 4, 6))
    torch.testing.assert_close(style.norm(dim=1), torch.ones(2))


def test_what_is_too_small_is_refused_and_the_least_size_named():
    with pytest.raises(BadInput, match="each side must be at least 12"):
        encoder()(torch.zeros(1, 3, 8, 16))
    assert encoder()(torch.zeros(1, 3, 12, 16))[1].shape == (1, 16)
    with pytest.raises(BadInput, match="at least 112"):
        Encoder(height=128, width=64)
    with pytest.raises(BadInput, match="multiples of 4"):
        encoder()(torch.zeros(1, 3, 13, 16))
    with pytest.raises(BadInput, match="height and width"):
        Encoder(content_downsamplings="auto")


@pytest.mark.parametrize("code", ["content_channels", "style_channels"])
def test_a_code_of_one_channel_would_be_a_sign_and_is_refused(code):
    with pytest.raises(BadInput, match=f"model.encoder.{code}=1: .* at least 2"):
        Encoder(**{"content_channels": 2, "style_channels": 16, code: 1})


def test_the_generator_takes_codes_of_any_length():
    made, content, style = generator(), torch.randn(2, 4, 3, 5), torch.randn(2, 16)
    image = made(content, style, "none")
    assert image.shape == (2, 3, 12, 20)
    torch.testing.assert_close(made(2 * content, 5 * style, "none"), image, atol=1e-4, rtol=1e-4)


def test_noise_is_drawn_anew_unless_it_is_given():
    made = autoencoder()
    codes = made.encode(torch.rand(2, 3, 16, 16))
    assert not torch.equal(made.decode(codes), made.decode(codes))
    maps = made.fixed_noise(codes, seed=1)
    assert torch.equal(made.decode(codes, noise=maps), made.decode(codes, noise=made.fixed_noise(codes, seed=1)))
    assert not torch.equal(made.decode(codes, noise=maps), made.decode(codes, noise=made.fixed_noise(codes, seed=2)))
    quiet = generator(noise=False)
    assert not any(block.conv1.noisy for block in quiet.up)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (13, 15), (18, 12), (11, 11)])
def test_odd_sizes_are_padded_and_come_back_as_they_were(height, width):
    image = torch.rand(2, 3, height, width)
    made = autoencoder()
    assert made.decode(made.encode(image)).shape == image.shape


def test_networks_that_do_not_belong_together_are_refused():
    with pytest.raises(BadInput, match="style channels 16 and 8"):
        Autoencoder(encoder(), generator(style_channels=8))


def test_the_image_discriminator_knows_its_size():
    with pytest.raises(BadInput, match="16x16, not 16x32"):
        Discriminator(16, 16, 0.1, 8)(torch.zeros(1, 3, 16, 32))
    with pytest.raises(BadInput, match="nothing to halve"):
        Discriminator(4, 4)


def test_the_patch_discriminator_averages_references_or_pairs_them():
    torch.manual_seed(0)
    made = PatchDiscriminator(8, 1 / 16, 8, pair_width=8)
    reference, query = torch.rand(2, 3, 3, 8, 8), torch.rand(2, 2, 3, 8, 8)
    logits = made(reference, query)
    assert logits.shape == (2, 2)
    torch.testing.assert_close(made(reference.flip(1), query), logits)
    made.average_references = False
    with pytest.raises(BadInput, match="average the references"):
        made(reference, query)
    assert not torch.allclose(made(query.flip(1), query), made(query, query))
    with pytest.raises(BadInput, match="power of two"):
        PatchDiscriminator(24)


def test_no_image_of_a_batch_keeps_its_content():
    for batch in range(2, 12):
        order = swap_order(batch)
        assert sorted(order) == list(range(batch))
        assert all(i != j for i, j in enumerate(order))
    assert swap_order(4) == [1, 0, 3, 2]
    assert [half(n) for n in (2, 3, 4, 5)] == [1, 2, 2, 3]
    with pytest.raises(BadInput, match="two images"):
        swap_order(1)


def test_normalising_is_exact_in_half_precision_too():
    code = torch.full((1, 4), 1e-3, dtype=torch.float16)
    torch.testing.assert_close(normalise(code).norm(dim=1), torch.ones(1), atol=2e-3, rtol=0)


def test_a_crop_that_is_the_whole_image_is_the_image():
    image = torch.arange(64.0).view(1, 1, 8, 8).repeat(2, 3, 1, 1)
    draws = CropDraws(
        torch.tensor([0.9, 0.1] * 2).view(4, 1, 1, 1), torch.full((4, 1, 1, 2), 0.0), torch.full((4, 1, 1, 2), 0.5)
    )
    crops = random_crop(image, 2, 8, (7 / 8, 7 / 8), draws)  # the centres of the outermost pixels
    torch.testing.assert_close(crops[:, 0], image)
    torch.testing.assert_close(crops[:, 1], image.flip(3))


def test_crops_lie_within_the_image_and_stay_precise_under_autocast():
    torch.manual_seed(0)
    image = torch.ones(3, 3, 32, 16)
    crops = random_crop(image.bfloat16(), 5, 8)
    assert crops.shape == (3, 5, 3, 8, 8)
    assert crops.dtype == torch.float32
    inside = crops[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside, torch.ones_like(inside))


def test_the_picture_of_content_codes_fills_the_range_of_colours():
    picture = content_picture(torch.randn(2, 8, 4, 4), 16, 16)
    assert picture.shape == (2, 3, 16, 16)
    assert picture.min() >= -1
    assert picture.max() <= 1
    assert content_picture(torch.randn(1, 2, 4, 4), 8, 8).shape == (1, 3, 8, 8)
