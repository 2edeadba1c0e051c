"""Every term of the objective: its value where it is known, and that batch size and devices do not change it."""

from __future__ import annotations

import pytest
import torch

from lightning_modules.cocosnet import losses


def features(seed: int, batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"r12": 16, "r22": 16, "r32": 8, "r42": 4, "r52": 4}
    return {name: torch.rand(batch, 6, size, size, generator=generator) for name, size in sizes.items()}


def one_hot(label: list[list[int]], classes: int = 4) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(label), classes).permute(2, 0, 1).unsqueeze(0).float()


def test_unrelated_unit_features_are_about_0_7_times_the_published_weight_apart():
    x, y = (torch.nn.functional.normalize(torch.randn(2, 256, 8, 8), dim=1) for _ in range(2))
    assert 10 * losses.domain_alignment(x, y) == pytest.approx(0.70, abs=0.02)


def test_feature_matching_counts_pseudo_pairs_only():
    fake, real = features(0), features(1)
    none = losses.feature_matching(fake, real, torch.zeros(2))
    assert none == 0
    first = losses.feature_matching(fake, real, torch.tensor([1.0, 0.0]))
    both = losses.feature_matching(fake, real, torch.ones(2))
    changed = {name: torch.cat((x[:1], x[1:] + 5)) for name, x in fake.items()}
    assert torch.equal(losses.feature_matching(changed, real, torch.tensor([1.0, 0.0])), first)
    assert both > first


def test_terms_do_not_depend_on_how_samples_are_batched():
    fake, real, factor = features(0, 4), features(1, 4), torch.tensor([0.6, 0.0, 0.6, 0.25])
    whole = losses.feature_matching(fake, real, factor)
    parts = [
        losses.feature_matching(
            {k: x[i : i + 1] for k, x in fake.items()}, {k: x[i : i + 1] for k, x in real.items()}, f
        )
        for i, f in enumerate(factor.split(1))
    ]
    torch.testing.assert_close(torch.stack(parts).mean(), whole)
    contextual = [losses.contextual(fake["r42"][i : i + 1], real["r42"][i : i + 1]) for i in range(4)]
    torch.testing.assert_close(torch.cat(contextual), losses.contextual(fake["r42"], real["r42"]))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_pseudo_factor_has_the_expectation_of_the_published_batches(share):
    """Simulated: batches of 4, s/(n B) where there is any; against a mean over all samples times the factor."""
    pseudo = (torch.rand(200_000, 4, generator=torch.Generator().manual_seed(0)) < share).double()
    published = (pseudo / pseudo.sum(dim=1, keepdim=True).clamp_min(1) / 4).sum(dim=1).mean()
    ours = pseudo.mean() * losses.pseudo_factor(share)
    assert ours.item() == pytest.approx(published.item(), rel=0.01)
    assert losses.pseudo_factor(0.0) == 0


def test_contextual_loss_is_small_for_the_same_features_in_other_places():
    x = torch.rand(1, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    shuffled = x.flatten(2)[:, :, torch.randperm(36, generator=torch.Generator().manual_seed(1))].view_as(x)
    other = torch.rand(1, 8, 6, 6, generator=torch.Generator().manual_seed(2))
    same, different = (losses.contextual(x, y, centre="none").item() for y in (shuffled, other))
    assert same < 0.01
    assert different > 10 * same


def test_the_exemplars_features_get_no_gradient_from_the_contextual_loss():
    x, y = (torch.rand(1, 4, 3, 3, requires_grad=True) for _ in range(2))
    losses.contextual(x, y).sum().backward()
    assert x.grad is not None
    assert y.grad is None


def test_mask_regularisation_ignores_unlabelled_places_and_classes_that_the_exemplar_lacks():
    target, exemplar = one_hot([[1, 2], [0, 1]]), one_hot([[1, 1], [3, 0]])
    warped = torch.full((1, 4, 2, 2), 0.25)
    # Class 2 does not occur in the exemplar and class 0 never counts: two places of class 1 remain.
    expected = -torch.tensor(0.25).log() * 2 / (2 + 1e-5)
    torch.testing.assert_close(losses.mask_regularisation(warped, target, exemplar), expected)
    perfect = losses.mask_regularisation(target, target, exemplar)
    assert perfect.abs() < 1e-6
    nothing = losses.mask_regularisation(warped, one_hot([[2, 2], [0, 0]]), exemplar)
    assert nothing == 0


def test_cycle_compares_at_the_size_of_what_came_back():
    exemplar = torch.rand(1, 3, 8, 8)
    assert losses.cycle(torch.nn.functional.avg_pool2d(exemplar, 4), exemplar) < 1e-6
    assert losses.cycle(exemplar, exemplar) == 0


def test_discriminator_features_leave_out_logits_and_average_over_scales():
    fake = [[torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 1)]] * 2
    real = [[torch.ones(1, 1, 2, 2), torch.full((1, 1, 1, 1), 100.0)]] * 2
    assert losses.discriminator_feature_matching(fake, real) == 1
    assert losses.over_scales(torch.mean, real) == 100
