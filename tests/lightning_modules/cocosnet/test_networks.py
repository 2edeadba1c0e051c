"""The three networks: sizes, options, gradients, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.cocosnet.correspondence import CorrespondenceNetwork, Warp
from lightning_modules.cocosnet.discriminator import MultiscaleDiscriminator
from lightning_modules.cocosnet.generator import SpadeGenerator

S = 5


def labels(height: int = 16, width: int = 16, seed: int = 0) -> torch.Tensor:
    drawn = torch.randint(0, S, (2, height, width), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.one_hot(drawn, S).permute(0, 3, 1, 2).float()


def photo(height: int = 16, width: int = 16, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def network() -> CorrespondenceNetwork:
    torch.manual_seed(0)
    return CorrespondenceNetwork(S, width=4).eval()


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("fetch", ["pixels", "patches"])
def test_every_stride_warps_to_full_size(stride, fetch):
    network = CorrespondenceNetwork(S, width=4, stride=stride, adaptor_kernel=4, fetch=fetch)
    match = network(labels(), photo(), labels(seed=1))
    assert match.structure.shape == (2, 16, 16 // stride, 16 // stride)
    warp = network.warp(match, photo(), cycle=True)
    assert warp.image.shape == (2, 3, 16, 16)
    assert warp.cycle is not None
    assert warp.cycle.shape[-1] == (16 if fetch == "patches" else 16 // stride)


def test_a_structure_may_have_another_size_than_the_exemplar(network):
    match = network(labels(16, 8), photo(12, 20), labels(12, 20))
    warp = network.warp(match, photo(12, 20), exemplar_structure=labels(12, 20), mask="direct")
    assert warp.image.shape == (2, 3, 16, 8)
    assert warp.mask is not None
    torch.testing.assert_close(warp.mask.sum(dim=1), torch.ones(2, 4, 2))


def test_ground_truth_goes_through_the_photos_adaptor_whether_alone_or_together(network):
    together = network(labels(), photo(), labels(), truth=photo(seed=3))
    apart = network(labels(), photo(12, 12), labels(12, 12), truth=photo(seed=3))
    torch.testing.assert_close(together.truth, apart.truth, atol=1e-5, rtol=1e-4)
    assert together.truth.norm(dim=1).sub(1).abs().max() < 1e-5


def test_only_what_is_asked_for_is_fetched(network):
    match = network(labels(), photo(), labels())
    warp = network.warp(match, photo())
    assert warp == Warp(image=warp.image)
    full = network.warp(
        match, photo(), structure=labels(), exemplar_structure=labels(), mask="cycle", cycle=True, truth=photo(seed=1)
    )
    assert torch.equal(full.image, warp.image)
    assert all(value is not None for value in vars(full).values())


def test_gradients_reach_both_adaptors_through_the_warp(network):
    network.train()
    match = network(labels(), photo(), labels(seed=1))
    network.warp(match, photo()).image.square().sum().backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert gradients["structure_adaptor.layers.0.0.parametrizations.weight.original"].abs().sum() > 0


def test_an_unknown_exemplar_structure_is_noise(network):
    first, second = (network(labels(), photo(), None) for _ in range(2))
    assert not torch.equal(first.correlation.phi, second.correlation.phi)
    assert torch.equal(first.correlation.theta, second.correlation.theta)


def test_structure_noise_leaves_zeros_alone():
    network = CorrespondenceNetwork(S, width=4, structure_noise=True).eval()
    seen = []
    network.structure_adaptor.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(labels(), photo(), labels())
    changed = (seen[0] - labels()).abs()
    assert changed[labels() == 0].max() == 0
    assert 0.05 < changed[labels() == 1].mean() < 0.12


def test_training_advances_spectral_norms_once_per_forward_and_evaluation_never():
    generator = SpadeGenerator(S, width=2)
    u = generator.head.conv_0.parametrizations.weight[0].u
    before = u.clone()
    generator.eval()(photo(64, 64), labels(64, 64))
    assert torch.equal(u, before)
    with torch.no_grad():
        generator.head.conv_0.parametrizations.weight.original.normal_()
    generator.train()(photo(64, 64), labels(64, 64))
    assert not torch.equal(u, before)


@pytest.mark.parametrize("condition", ["warp_and_structure", "warp", "structure"])
def test_the_generator_paints_any_size_that_halves_five_times(condition):
    generator = SpadeGenerator(S, width=2, condition=condition)
    image = generator(photo(128, 64), labels(128, 64))
    assert image.shape == (2, 3, 128, 64)
    assert image.abs().max() <= 1


def test_recomputing_the_generators_blocks_changes_no_gradient():
    torch.manual_seed(0)
    generator = SpadeGenerator(S, width=2)
    gradients = []
    for level in ("none", "large"):
        other = SpadeGenerator(S, width=2, recompute=level)
        other.load_state_dict(generator.state_dict())
        warped = photo(64, 64).requires_grad_()
        other(warped, labels(64, 64)).square().sum().backward()
        gradients.append([warped.grad, *(p.grad for p in other.parameters())])
    for kept, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, recomputed)


def test_the_discriminator_gives_features_and_logits_at_each_scale():
    discriminator = MultiscaleDiscriminator(S, width=4, scales=2).eval()
    outputs = discriminator(labels(64, 64), photo(64, 64))
    assert [[tuple(x.shape[1:]) for x in scale] for scale in outputs] == [
        [(4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 7, 7), (1, 6, 6)],
        [(4, 16, 16), (8, 8, 8), (16, 4, 4), (32, 3, 3), (1, 2, 2)],
    ]
    fake, real = discriminator.judge(labels(64, 64), photo(64, 64), photo(64, 64, seed=1))
    assert torch.equal(fake[0][-1], outputs[0][-1])
    assert not torch.equal(real[0][-1], outputs[0][-1])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: CorrespondenceNetwork(S, stride=3), "can be 1, 2 or 4"),
        (lambda: CorrespondenceNetwork(S, window=2), "must be odd"),
        (lambda: CorrespondenceNetwork(S, width=4)(labels(18, 16), photo(), labels()), "18 x 16.*stride of 4"),
        (lambda: CorrespondenceNetwork(S, width=4)(labels(), photo(16, 18), labels()), "exemplar is 16 x 18"),
        (lambda: CorrespondenceNetwork(3, width=4)(labels(), photo(), labels()), "has 5 channels.*made for 3"),
        (lambda: SpadeGenerator(S, width=2)(photo(64, 48), labels(64, 48)), "64 x 48.*multiples of 32"),
        (lambda: SpadeGenerator(S, width=2)(photo(32, 64), labels(32, 64)), "at least 64"),
    ],
)
def test_what_cannot_be_halved_or_compared_is_refused(build, says):
    with pytest.raises(BadInput, match=says):
        build()


def test_a_generator_for_small_images_starts_at_a_sixteenth():
    small = SpadeGenerator(5, width=4, hidden=8, attention=False, reduction=16)
    image = small(torch.zeros(1, 3, 64, 32), torch.zeros(1, 5, 64, 32))
    assert image.shape == (1, 3, 64, 32)
    with pytest.raises(BadInput, match=r"1/16 of the image, and 64 x 24"):
        small(torch.zeros(1, 3, 64, 24), torch.zeros(1, 5, 64, 24))
    with pytest.raises(BadInput, match=r"generator\.reduction=auto"):
        SpadeGenerator(5, width=4)(torch.zeros(1, 3, 64, 32), torch.zeros(1, 5, 64, 32))


@pytest.mark.parametrize(("size", "reduction"), [((256, 256), 32), ((256, 176), 16), ((128, 64), 32), ((64, 32), 16)])
def test_auto_starts_at_a_thirty_second_where_that_is_a_whole_size(size, reduction):
    assert SpadeGenerator(5, width=4, hidden=8, reduction="auto", image_size=size).reduction == reduction
    with pytest.raises(BadInput, match=r"model\.generator\.image_size"):
        SpadeGenerator(5, width=4, hidden=8, reduction="auto")
