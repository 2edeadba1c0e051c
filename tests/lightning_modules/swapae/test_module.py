"""Training: who learns when, on what, and by how much."""

from __future__ import annotations

import math

import pytest
import pytorch_lightning as pl
import torch

from datamodules.bad_input import BadInput
from lightning_modules.swapae.editing import translate
from tests.lightning_modules.swapae.networks import batch_of, translator


class Loader(torch.utils.data.DataLoader):
    """Twelve different batches."""

    def __init__(self, size: int, height: int = 16, width: int = 16) -> None:
        super().__init__(
            [batch_of(size, height, width, seed) for seed in range(12)], batch_size=None, collate_fn=lambda batch: batch
        )


class Recorder(pl.Callback):
    """What changed and was logged in every step."""

    def __init__(self) -> None:
        self.changed: list[set[str]] = []
        self.losses: list[dict[str, float]] = []

    def on_train_batch_start(self, trainer, module, *_):
        self.before = {name: p.detach().clone() for name, p in module.named_parameters()}

    def on_train_batch_end(self, trainer, module, *_):
        moved = {name.split(".")[0] for name, p in module.named_parameters() if not torch.equal(p, self.before[name])}
        self.changed.append(moved)
        self.losses.append({name: value.item() for name, value in module.last_losses.items()})


def train(module, steps, size=4, height=16, width=16, **settings):
    recorder = Recorder()
    trainer = pl.Trainer(
        max_steps=steps,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        callbacks=[recorder],
        **settings,
    )
    trainer.fit(module, Loader(size, height, width))
    assert trainer.global_step == steps
    return recorder


JUDGES, MAKERS = {"discriminator", "patch_discriminator"}, {"encoder", "generator"}


def test_sides_take_turns_and_penalties_follow_every_so_many_updates_of_the_discriminators():
    module = translator(r1_interval=3)
    recorder = train(module, 8)
    assert recorder.changed == [JUDGES, MAKERS] * 4
    penalised = [step for step, losses in enumerate(recorder.losses) if "r1" in losses]
    assert penalised == [4]
    assert all(math.isfinite(value) for losses in recorder.losses for value in losses.values())
    assert module.images_seen == 8 * 4


def test_one_batch_for_both_updates_both_in_every_step():
    module = translator(alternate=False, r1_interval=2, code_consistency=True, cc_interval=2, content_alignment=True)
    recorder = train(module, 4)
    assert recorder.changed == [JUDGES | MAKERS] * 4
    assert ["r1" in losses for losses in recorder.losses] == [False, True, False, True]
    assert ["code_consistency" in losses for losses in recorder.losses] == [False, True, False, True]
    assert module.images_seen == 2 * 4 * 4, "an image counts for each side that learns from it"


def test_region_wise_losses_are_added_one_by_one_and_at_their_intervals():
    neither = train(translator(), 2).losses[1]
    assert not {"code_consistency", "content_alignment"} & neither.keys()
    consistent = train(translator(code_consistency=True, cc_interval=2), 8).losses
    assert [step for step, losses in enumerate(consistent) if "code_consistency" in losses] == [3, 7]
    assert not any("content_alignment" in losses for losses in consistent)
    aligned = train(translator(content_alignment=True, fusion="features"), 4).losses
    assert ["content_alignment" in losses for losses in aligned] == [False, True, False, True]


@pytest.mark.parametrize(("size", "height", "width"), [(2, 16, 16), (3, 16, 16), (5, 14, 19)])
def test_batches_of_any_size_and_images_of_odd_sizes(size, height, width):
    recorder = train(translator(height, width, content_alignment=True), 4, size, height, width)
    assert recorder.changed == [JUDGES, MAKERS] * 2


def test_a_batch_of_one_has_nobody_to_swap_with_unless_both_images_of_the_pair_count():
    with pytest.raises(BadInput, match="at least 2"):
        train(translator(), 1, size=1)
    recorder = train(translator(train_on="both"), 2, size=1)
    assert recorder.changed == [JUDGES, MAKERS]


def test_with_both_images_of_a_pair_they_trade_styles():
    module, batch = translator(train_on="both"), batch_of(3)
    step = {"images": module._images(batch)}
    torch.testing.assert_close(step["images"][::2], batch.source)
    module._take_apart_and_swap(step)
    torch.testing.assert_close(step["original"][::2], batch.target)
    torch.testing.assert_close(step["original"][1::2], batch.source)


def test_half_a_batch_is_reconstructed_and_all_of_it_swapped():
    module = translator()
    step = {"images": batch_of(4).source}
    module._take_apart_and_swap(step)
    assert len(step["reconstruction"]) == 2
    assert len(step["swap"]) == 4
    codes = module.autoencoder.encode(step["images"])
    torch.testing.assert_close(step["content"], codes.content[[1, 0, 3, 2]])
    torch.testing.assert_close(step["style"], codes.style)
    swap = module.autoencoder.decode(codes.select([1, 0, 3, 2]), codes.style, "none")
    torch.testing.assert_close(step["swap"], swap, atol=1e-5, rtol=1e-4)  # the noise's scale is zero at the start


def test_no_graph_of_encoder_and_generator_is_kept_while_discriminators_learn():
    module = translator()
    phase = module.phases()[0]
    step = module.begin_step(batch_of(4))
    with module._only(phase):
        phase.losses(batch_of(4), step)
    assert not step["swap"].requires_grad
    both = translator(alternate=False).begin_step(batch_of(4))
    assert both["swap"].requires_grad


@pytest.mark.parametrize("teaches", [True, False])
def test_re_encoding_teaches_the_encoder_only_if_it_is_to(teaches):
    module = translator(code_consistency=True, cc_grad_encoder=teaches)
    step = {"images": batch_of(4).source}
    module._take_apart_and_swap(step)
    step["swap"] = step["swap"].detach().requires_grad_()
    module._code_consistency(step).backward()
    assert step["swap"].grad.any()
    assert any(p.grad is not None and p.grad.any() for p in module.encoder.parameters()) == teaches
    assert all(p.requires_grad for p in module.encoder.parameters())


@pytest.mark.parametrize("fusion", ["modulation", "features"])
def test_a_hybrid_whose_mask_is_everywhere_is_the_swap_and_shares_its_noise(fusion, monkeypatch):
    module = translator(content_alignment=True, fusion=fusion)
    with torch.no_grad():
        for name, parameter in module.generator.named_parameters():
            if name.endswith("noise.weight"):
                parameter.fill_(0.5)
    step = {"images": batch_of(4).source}
    module._take_apart_and_swap(step)
    monkeypatch.setattr("lightning_modules.swapae.module.random_masks", lambda n, h, w, device: torch.ones(n, 1, h, w))
    assert module._content_alignment(step) < 1e-5


def test_outside_of_the_mask_a_hybrid_is_compared_with_the_image_whose_content_it_has_in_its_own_style(monkeypatch):
    module = translator(content_alignment=True)
    step = {"images": batch_of(4).target}
    module._take_apart_and_swap(step)
    monkeypatch.setattr("lightning_modules.swapae.module.random_masks", lambda n, h, w, device: torch.zeros(n, 1, h, w))
    codes, neighbours = module.autoencoder.encode(step["images"]), [1, 0]  # of the half that is made again
    own = module.autoencoder.decode(codes.select(neighbours), codes.style[neighbours], "none")  # noise's scale is zero
    wanted = (own - step["images"][neighbours]).abs().mean()
    torch.testing.assert_close(module._content_alignment(step), wanted, atol=1e-6, rtol=1e-4)


def test_terms_have_the_weights_of_the_official_code_and_those_that_are_set(monkeypatch):
    settings = {"lambda_reconstruction": 3.0, "lambda_gan": 5.0, "lambda_patch_gan": 7.0, "generator_swap_share": 0.5,
                "code_consistency": True, "lambda_cc": 2.0, "cc_interval": 1, "content_alignment": True, "lambda_ca": 11.0}  # fmt: skip
    batch = batch_of(4)

    def weights(module, phase):
        step = module.begin_step(batch)
        return {name: loss.weight for name, loss in module.phases()[phase].losses(batch, step).items()}

    official = weights(translator(), 0) | weights(translator(), -1)
    assert official == {
        "discriminator_real": 1.0,
        "discriminator_reconstruction": 0.5,
        "discriminator_swap": 0.5,
        "patch_discriminator_real": 1.0,
        "patch_discriminator_swap": 1.0,
        "reconstruction": 1.0,
        "adversarial_reconstruction": 0.5,
        "adversarial_swap": 1.0,
        "adversarial_patch": 1.0,
    }
    module = translator(alternate=False, **settings)
    assert weights(module, -1) == {
        "reconstruction": 3.0,
        "adversarial_reconstruction": 2.5,
        "adversarial_swap": 2.5,
        "adversarial_patch": 7.0,
        "code_consistency": 2.0,
        "content_alignment": 11.0,
    }
    scaled = translator(alternate=False, **{**settings, "cc_interval": 4, "cc_scale_by_interval": True})
    monkeypatch.setattr(scaled, "_is_last_of", lambda interval: True)
    assert weights(scaled, -1)["code_consistency"] == 4 * 2.0


def test_an_image_is_a_target_once_an_epoch_so_that_targets_are_trained_on():
    batch = batch_of(2)
    assert translator()._images(batch) is batch.target
    assert translator(train_on="source")._images(batch) is batch.source


def test_the_discriminators_optimiser_is_corrected_for_the_penalties():
    module = translator(r1_interval=16)
    (judges, makers), _ = module.configure_optimizers()
    assert makers.param_groups[0]["lr"] == 0.002
    assert judges.param_groups[0]["lr"] == pytest.approx(0.00188235, rel=1e-5)
    assert judges.param_groups[0]["betas"] == pytest.approx((0, 0.990585), rel=1e-5)
    plain = translator(lambda_r1=0.0, lambda_patch_r1=0.0)
    (judges, _), _ = plain.configure_optimizers()
    assert judges.param_groups[0]["lr"] == 0.002
    assert len(plain.phases()) == 2


def test_penalties_count_as_often_as_they_were_left_out():
    module, batch = translator(r1_interval=16), batch_of(2)
    losses = module._penalties(batch, module.begin_step(batch))
    assert losses["r1"].weight == 10 / 2 * 16
    assert losses["patch_r1"].weight == 1 / 4 * 16


def test_it_trains_in_bfloat16_with_penalties_in_float32():
    recorder = train(
        translator(r1_interval=1, content_alignment=True, code_consistency=True, cc_interval=1),
        4,
        precision="bf16-mixed",
    )
    assert all(math.isfinite(value) for losses in recorder.losses for value in losses.values())
    assert {"r1", "patch_r1"} <= recorder.losses[0].keys()


def test_reconstruction_is_learnt():
    module = translator(alternate=False, lambda_gan=0.05, lambda_patch_gan=0.0, lambda_r1=0.0, lambda_patch_r1=0.0)
    batch = batch_of(4)
    smooth = torch.nn.functional.interpolate(torch.rand(4, 3, 2, 2), 16, mode="bilinear") * 2 - 1
    object.__setattr__(batch, "target", smooth)
    trainer = pl.Trainer(
        max_steps=60, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu"
    )  # fmt: skip
    losses: list[float] = []
    module.on_train_batch_end = lambda *_: losses.append(module.last_losses["reconstruction"].item())
    trainer.fit(module, torch.utils.data.DataLoader([batch] * 60, batch_size=None, collate_fn=lambda batch: batch))
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def test_translation_is_reproducible_and_says_how_it_uses_noise():
    module, batch = translator(), batch_of(2)
    with torch.no_grad():
        for name, parameter in module.generator.named_parameters():
            if name.endswith("noise.weight"):
                parameter.fill_(0.5)
    assert torch.equal(module.translate(batch), module.translate(batch))
    assert torch.equal(module.translate(batch), translate(module.autoencoder, batch, "fixed"))
    module.noise = "random"
    assert not torch.equal(module.translate(batch), module.translate(batch))
    module.noise = "none"
    assert torch.equal(module.translate(batch), module.translate(batch))


def test_panels_show_every_step_at_the_size_of_the_images():
    module, batch = translator(), batch_of(3)
    panels = module.panels(batch)
    assert list(panels) == ["content", "content code", "reconstruction", "style", "swap", "swap at the left"]
    assert {tuple(panel.shape) for panel in panels.values()} == {(3, 3, 16, 16)}
    assert set(module.image_networks()) == {"encoder", "generator"}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"r1_interval": 0}, "r1_interval=0 must be at least 1"),
        ({"crop_min": 0.5, "crop_max": 0.25}, "must rise"),
    ],
)
def test_impossible_settings_are_refused(settings, reason):
    with pytest.raises(BadInput, match=reason):
        translator(**settings)
