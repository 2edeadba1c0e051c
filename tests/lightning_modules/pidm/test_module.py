"""What PIDM trains on, and what it promises when it makes images."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace

import pytest
import torch

from datamodules.bad_input import BadInput
from lightning_modules.pidm.diffusion import Diffusion
from lightning_modules.pidm.dropping import Dropping
from lightning_modules.pidm.guidance import Guidance
from lightning_modules.pidm.module import PIDM
from lightning_modules.pidm.samplers import Sampler
from tests.lightning_modules.pidm.making import HEIGHT, SMALL, STRUCTURE, WIDTH, batch, pidm

KEEP_ALL = Dropping(pose=0, source=0, both=0)


def losses(module, step):
    return {name: float(loss.value) for name, loss in module._losses(batch(), step).items()}


# Training


def test_a_step_trains_on_both_directions_of_every_pair():
    given = batch(3)
    step = pidm(drop=KEEP_ALL).begin_step(given)
    assert torch.equal(step["target"], torch.cat([given.target, given.source]))
    assert torch.equal(step["structure"], torch.cat([given.target_structure, given.source_structure]))
    assert torch.equal(step["source"], torch.cat([given.source, given.target]))
    assert len(pidm(drop=KEEP_ALL, both_directions=False).begin_step(given)["target"]) == 3


def test_without_ground_truth_a_target_mirrored_is_its_own_source():
    given = replace(batch(2), paired=torch.tensor([True, False]))
    step = pidm(drop=KEEP_ALL, both_directions=False).begin_step(given)
    assert torch.equal(step["source"][0], given.source[0])
    assert torch.equal(step["source"][1], given.target[1].flip(2))
    kept = pidm(drop=KEEP_ALL, both_directions=False, unpaired="given").begin_step(given)
    assert torch.equal(kept["source"], given.source)


def test_lost_conditions_are_zeros_in_front_of_the_networks():
    step = pidm(drop=Dropping(pose=1, source=0)).begin_step(batch())
    assert not step["structure"].any()
    assert step["source"].any()
    step = pidm(drop=Dropping(pose=0, source=1)).begin_step(batch())
    assert step["structure"].any()
    assert not step["source"].any()


def test_the_first_step_predicts_nothing_and_teaches_the_last_layer_alone():
    module = pidm(trained=False)
    step = module.begin_step(batch())
    found = module._losses(batch(), step)
    assert float(found["mse"].value) == pytest.approx(float(step["noise"].square().mean()), rel=1e-5)
    sum(loss.value for loss in found.values()).backward()
    learning = {name for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}
    assert learning == {"network.predictor.head.weight", "network.predictor.head.bias"}


@pytest.mark.parametrize("mix", ["attention", "concatenation", "input"])
def test_every_parameter_learns_in_every_ablation(mix):
    module = pidm(mix=mix, dropout=0.1)
    sum(loss.value for loss in module._losses(batch(), module.begin_step(batch())).values()).backward()
    idle = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    # A key's bias adds the same to all scores of a query: the softmax does not see it, but it is one with the value's.
    assert idle == []


def test_checkpointing_gives_the_same_gradients_with_dropout():
    gradients = []
    for checkpointing in (False, True):
        module = pidm(checkpointing=checkpointing, dropout=0.3)
        torch.manual_seed(1)
        sum(loss.value for loss in module._losses(batch(), module.begin_step(batch())).values()).backward()
        gradients.append([p.grad for p in module.parameters()])
    for plain, again in zip(*gradients, strict=True):
        assert torch.allclose(plain, again, atol=1e-6)


def test_losses_are_float32_and_near_in_bfloat16():
    module = pidm()
    step = module.begin_step(batch())
    exact = losses(module, step)
    with torch.autocast("cpu", torch.bfloat16):
        found = module._losses(batch(), step)
    assert all(loss.value.dtype == torch.float32 for loss in found.values())
    for name, loss in found.items():
        assert float(loss.value) == pytest.approx(exact[name], rel=0.03)


def test_a_network_without_learned_variance_has_three_channels_and_one_loss():
    module = pidm(diffusion=Diffusion(learned_variance=False, prediction="v", min_snr_gamma=5.0, times="cubic"))
    assert module.network.predictor.head.out_channels == 3
    assert set(losses(module, module.begin_step(batch()))) == {"mse"}
    assert torch.isfinite(module.translate(batch(), steps=2, sampler="ddpm")).all()


# Making images


def test_a_seed_gives_the_same_image_in_whatever_batch():
    module, given = pidm(), batch(3)
    options = {"steps": 3, "sampler": "ddim", "eta": 1.0, "clip": True}  # unclipped, random weights end in thousands
    together = module.translate(given, seed=[5, 6, 7], **options)
    alone = module.translate(given.select([1]), seed=6, **options)
    assert torch.allclose(together[1:2], alone, atol=1e-3)
    assert not torch.allclose(together[1:2], module.translate(given.select([1]), seed=5, **options), atol=1e-2)


def test_without_a_seed_images_follow_torchs_generator():
    module, given = pidm(), batch()
    torch.manual_seed(3)
    first = module.translate(given, steps=2)
    second = module.translate(given, steps=2)
    torch.manual_seed(3)
    assert torch.equal(first, module.translate(given, steps=2))
    assert not torch.equal(first, second)


def test_dropout_sleeps_while_images_are_made_in_the_middle_of_training():
    module = pidm(dropout=0.5).train()
    images = [module.translate(batch(), steps=2, seed=1) for _ in range(2)]
    assert torch.equal(*images)
    assert module.network.training


def test_images_stay_in_their_range_and_follow_both_conditions():
    module, given = pidm(), batch()
    image = module.translate(given, steps=3, seed=1)
    assert image.shape == given.target.shape
    assert image.abs().max() <= 1
    for changed in ({"source": given.target}, {"target_structure": given.source_structure}):
        assert not torch.allclose(image, module.translate(replace(given, **changed), steps=3, seed=1), atol=1e-3)


def test_options_take_the_place_of_the_config():
    given = batch()
    configured = pidm(
        guidance=Guidance("nested", pose=1.5, style=3.0), sampler=Sampler("dpmpp_2m", 4, spacing="karras")
    )
    asked = {"guidance": "nested", "pose": 1.5, "style": 3.0, "sampler": "dpmpp_2m", "steps": 4, "spacing": "karras"}
    image = configured.translate(given, seed=1)
    assert torch.equal(image, pidm().translate(given, seed=1, **asked))
    assert not torch.allclose(image, configured.translate(given, seed=1, pose=0.0), atol=1e-3)


def test_the_default_guidance_obeys_both_scales():
    """`evaluate.py -m model.guidance.pose=0,1,2 model.guidance.style=0,1,2` is to give nine results."""
    given, module = batch(), pidm()
    scales = [(pose, style) for pose in (0, 1, 2) for style in (0, 1, 2)]
    images = [module.translate(given, steps=2, seed=1, pose=pose, style=style) for pose, style in scales]
    for one, other in itertools.combinations(images, 2):
        assert not torch.allclose(one, other, atol=1e-3)


def test_bfloat16_images_are_near_those_in_float32():
    module, given = pidm(), batch()
    exact, near = (module.translate(given, steps=5, seed=1, clip=True, bf16=bf16) for bf16 in (False, True))
    assert not torch.equal(exact, near)
    assert (exact - near).square().mean() < 1e-2


def test_panels_show_pictures_of_the_batch():
    panels = pidm(sampler=Sampler(steps=2)).panels(batch())
    assert list(panels) == ["source", "structure", "translation", "half noised target", "seen in it", "target"]
    assert all(panel.shape == (2, 3, HEIGHT, WIDTH) for panel in panels.values())


# Interpolation and masks


def test_a_strip_goes_from_one_style_and_noise_to_the_other():
    module, given = pidm(), batch()
    strip = module.translate(given, steps=3, seed=1, towards=given.target, towards_seed=2, strip=3)
    first, _, last = strip.split(WIDTH, dim=3)
    assert torch.allclose(first, module.translate(given, steps=3, seed=1), atol=1e-5)
    other = module.translate(replace(given, source=given.target), steps=3, seed=2)
    assert torch.allclose(last, other, atol=1e-4)
    middle = module.translate(given, steps=3, seed=1, towards=given.target, towards_seed=2, amount=0.5)
    assert torch.equal(middle, strip[..., WIDTH : 2 * WIDTH])


def test_outside_of_a_mask_the_reference_stays_to_the_bit():
    module, given = pidm(), batch()
    mask = torch.zeros(HEIGHT, WIDTH)
    mask[8:20] = 1
    edited = module.translate(given, steps=3, seed=1, mask=mask)
    assert torch.equal(edited[:, :, :8], given.target[:, :, :8])
    assert not torch.allclose(edited[:, :, 8:20], given.target[:, :, 8:20], atol=0.1)
    noisy = module.translate(given, steps=3, seed=1, mask=mask, paste="official")
    left = noisy[:, :, :8] - given.target[:, :, :8]
    assert 0 < float(left.std()) < 0.02, "the released code leaves the noise of the first time, 0.01, on what is kept"


# Bad input


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"attention_strides": [8]}, "attention_strides has 8"),
        ({"heads": 3}, "heads=3 must divide"),
        ({"cosine_attention": True, "mix": "concatenation"}, "needs model.mix=attention"),
        ({"coordinates": True, "mix": "input"}, "needs a texture encoder"),
        ({"channels": 48}, "channels=48 .* 48 channels, which model.groups=32 does not divide"),
        ({"sampler": Sampler(steps=50), "diffusion": Diffusion(steps=20)}, "steps=50 is more than the 20"),
    ],
)
def test_impossible_settings_are_said(settings, sentence):
    with pytest.raises(BadInput, match=sentence):
        PIDM(STRUCTURE, **{**SMALL, **settings})


def test_structures_of_other_channels_are_refused_in_training_and_after():
    module, given = pidm(), batch()
    other = replace(given, target_structure=given.target_structure[:, :3])
    for use in (module.begin_step, module.translate):
        with pytest.raises(BadInput, match="5 channels, but the data's have 3"):
            use(other)


def test_numbers_that_are_none_are_refused():
    given = batch()
    given.source[1, 0, 0, 0] = float("nan")
    with pytest.raises(BadInput, match=r"source of a batch with target0\.png"):
        pidm().translate(given, steps=2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 0}, "at least 1"),
        ({"steps": 1001}, "more than the 1000"),
        ({"steps": 2.5}, "whole number"),
        ({"style": float("nan")}, "must be a number"),
        ({"pose": "two"}, "must be a number"),
        ({"guidance": "nestd"}, "Did you mean 'nested'"),
        ({"sampler": "dpm"}, "not one of ddim, ddpm, dpmpp_2m"),
        ({"spacing": "karas"}, "Did you mean 'karras'"),
        ({"eta": 2}, "between 0 and 1"),
        ({"interval": [0.5]}, "two parts of T"),
        ({"sede": 1}, "Did you mean 'seed'"),
        ({"seed": [1, 2, 3]}, "or 2 of them"),
        ({"seed": "x"}, "whole number"),
        ({"paste": "last"}, "'next' or 'official'"),
        ({"reference": torch.zeros(2, 3, HEIGHT, WIDTH)}, "give mask"),
        ({"strip": 1}, "at least 2"),
        ({"towards": torch.zeros(1, 3, 8, 8)}, "does not fit 2 images of 32x16"),
        ({"mask": torch.ones(3, 1, HEIGHT, WIDTH)}, "3 masks for 2 images"),
    ],
)
def test_options_that_make_no_image_are_said(options, sentence):
    with pytest.raises(BadInput, match=sentence):
        pidm().translate(batch(), **{"steps": 2, **options})


def test_guidance_that_the_model_never_learnt_is_warned_of_once(caplog):
    module = pidm(drop=Dropping(preset="official"))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            module.translate(batch(), steps=1, guidance="source")
        assert not caplog.records
        for _ in range(2):
            module.translate(batch(), steps=1, guidance="disentangled")
    (warned,) = caplog.records
    assert "'disentangled'" in warned.message
    assert "nothing and the source" in warned.message
    assert "pose 0, source 0.1" in warned.message


def test_files_that_belong_to_the_users_pictures_are_placed_like_them():
    kept = torch.zeros(1, 3, 32, 16)
    placed = pidm().placed_options(
        {"mask": "mask.png", "towards": "other.png", "reference": kept, "steps": 2}, lambda file, kind: (file, kind)
    )
    assert placed == {
        "mask": ("mask.png", "mask"),
        "towards": ("other.png", "picture"),
        "reference": kept,
        "steps": 2,
    }
