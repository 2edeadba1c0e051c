"""The swapping autoencoder's networks, losses and a whole step; and what it takes from StyleGAN2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.batch import Batch
from lightning_modules.blocks.equalised import EqualLinear, scaled_leaky_relu, unit_rms
from lightning_modules.blocks.fir_resample import fir_kernel, resample
from lightning_modules.blocks.minibatch_deviation import minibatch_deviation
from lightning_modules.blocks.modulated_conv import ModulatedConv2d, SharedModulatedConv2d
from lightning_modules.blocks.noise_injection import NoiseInjection
from lightning_modules.blocks.stylegan2_generator import StyleGAN2Generator, from_rosinality, mix, truncate
from lightning_modules.swapae import module as swapae_module
from lightning_modules.swapae import objectives, official
from lightning_modules.swapae.codes import swap_order
from lightning_modules.swapae.module import SwapAE
from lightning_modules.swapae.random_crop import CropDraws, random_crop
from lightning_modules.swapae.residual_block import ConvLayer, ResidualBlock
from tests.golden import recipe
from tests.parity.golden import Compared, Golden, compares

REPOSITORY = "taesungp/swapping-autoencoder-pytorch"
EXACT = 1e-6
"""For what is computed in float64."""


# Weights and inputs


def state_of(golden: Golden, prefix: str = "", dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The state dict under a prefix, constants left out, by the golden's own rule: these layers divide by sqrt(fan in)."""
    state = {}
    for name, shape in golden.spec["state"].items():
        if not name.startswith(prefix) or name in golden.spec["constants"]:
            continue
        draw = recipe.draw if len(shape) > 1 else recipe.weight
        value = torch.from_numpy(draw(name, tuple(shape), golden.spec["seed"]))
        for factor in golden.spec.get("weight_scale", {}).get("factors", []):
            if name.startswith(factor["prefix"]) and name.endswith(factor["suffix"]):
                value = value * torch.tensor(factor["factor"], dtype=torch.float32)
        state[name.removeprefix(prefix)] = value.to(dtype)
    return state


def input_of(golden: Golden, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """An input of the golden; these also know numbers in (0, 1)."""
    described = golden.spec["inputs"][name]
    if described["kind"].startswith("uniform"):
        image = recipe.image(name, tuple(described["shape"]), golden.spec["seed"])
        return torch.from_numpy((image + 1) / 2).to(dtype)
    return golden.input(name, dtype)


def network_of(golden: Golden, prefix: str) -> nn.Module:
    """One of the four networks with the golden's weights, through the official names."""
    network = official.network(prefix, golden.config)
    official.load_state({prefix: network}, {f"{prefix}.{name}": v for name, v in state_of(golden).items()})
    return network


def crops_of(golden: Golden, call: str, image: Tensor, count: int, size: int, scales: tuple[float, float]) -> Tensor:
    draws = (input_of(golden, f"{call}u_{name}", image.dtype) for name in ("flip", "scale", "offset"))
    return random_crop(image, count, size, scales, CropDraws(*draws))


# StyleGAN2


@compares("functions and layers of taesungp/")
def stylegan2_primitives(golden: Golden) -> Iterator[Compared]:
    for name, case in golden.spec["cases"].items():
        inputs, index = re.fullmatch(r"(\w+)(\[:1\])?", case["input"]).groups()
        x = input_of(golden, inputs)[: 1 if index else None]
        yield Compared(name, _primitive(golden, name, case, x), golden.outputs[name])


def _primitive(golden: Golden, name: str, case: dict[str, Any], x: Tensor) -> Tensor:
    op, state = case["op"], state_of(golden, f"{name}.")
    if "upfirdn2d" in op:
        return _resampled(golden, case, x)
    if op.startswith("leaky_relu"):
        return scaled_leaky_relu(x + state["bias"].view(1, -1, 1, 1))
    if op.startswith("x / sqrt(mean"):
        return unit_rms(x)
    if op.startswith("EqualLinear"):
        layer = EqualLinear(x.shape[1], len(state["bias"]), lr_mul=0.5 if "0.5" in op else 1, activate="leaky" in op)
        layer.load_state_dict(state)
        return layer(x)
    if op.startswith(("ConvLayer", "ResBlock")):
        return _layer(op, x, state)(x)
    if "ModulatedConv2d" in op:
        return _modulated(golden, case, state)(x, input_of(golden, case["style"]))
    assert "extra channel" in op, f"this test does not know the case {name}: {op}"
    return minibatch_deviation(x)


def _resampled(golden: Golden, case: dict[str, Any], x: Tensor) -> Tensor:
    taps = re.search(r"outer\(\[(.*?)\]\)", case["kernel"])
    if taps:
        kernel = fir_kernel([float(tap) for tap in taps[1].split(",")], gain=4 if "times 4" in case["kernel"] else 1)
    else:
        kernel = input_of(golden, "kernel")
    if case["op"].startswith("reflection"):
        x = F.pad(x, (2, 1, 2, 1), mode="reflect")
    return resample(x, kernel, case.get("up", 1), case.get("down", 1), tuple(case.get("pad", (0, 0))))


def _layer(op: str, x: Tensor, state: dict[str, Tensor]) -> nn.Module:
    """A convolution layer or residual block as the golden describes it, with its weights."""
    taps = (1, 2, 1) if "[1,2,1]" in op else (1, 3, 3, 1)
    padding = "reflect" if "reflect" in op else "zero"
    ours = {_layer_name(name): value for name, value in state.items()}
    channels = x.shape[1]
    if op.startswith("ConvLayer"):
        layer: nn.Module = ConvLayer(
            channels, len(ours["activation.bias"]), 3, down="downsample" in op, taps=taps, padding=padding
        )
    else:
        outputs = len(ours["conv2.activation.bias"])
        layer = ResidualBlock(channels, outputs, down="without downsampling" not in op, taps=taps, padding=padding)
    layer.load_state_dict(ours)
    return layer


def _layer_name(name: str) -> str:
    return name.replace("Conv.", "conv.").replace("Act.", "activation.")


def _modulated(golden: Golden, case: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    kind = SharedModulatedConv2d if case["op"].startswith("Swapping") else ModulatedConv2d
    state["weight"] = state["weight"][0]
    outputs, inputs, size, _ = state["weight"].shape
    resampling = "up" if case.get("upsample") else "down" if case.get("downsample") else None
    style = state["modulation.weight"].shape[1]
    layer = kind(inputs, outputs, size, style, demodulate=case.get("demodulate", True), resampling=resampling)
    layer.load_state_dict(state)
    return layer


@compares("model.Generator, rosinality/stylegan2-pytorch")
def stylegan2_generator(golden: Golden) -> Iterator[Compared]:
    words, state = golden.config, state_of(golden)
    generator = StyleGAN2Generator(
        words["size"], words["style_dim"], words["n_mlp"], words["channel_multiplier"], words["lr_mlp"]
    )
    generator.load_state_dict(from_rosinality(state))
    noise = [state[f"noises.noise_{layer}"] for layer in range(words["num_layers"])]
    z, second, w_plus, mean = (input_of(golden, name) for name in ("z", "z_second", "w_plus", "w_mean"))
    w = generator.map(z)
    w_plus.requires_grad_()
    image = generator(w_plus, noise)
    (gradient,) = torch.autograd.grad(image.square().mean(), w_plus)
    mixed = mix(w[:1], generator.map(second)[:1], 3, words["n_latent"])
    ours = {
        "latent_z": w,
        "image_z": generator(w, noise),
        "image_w_plus": image,
        "image_truncated": generator(truncate(w[:1], mean, 0.7), noise),
        "image_mixed": generator(mixed, noise),
        "image_w_plus_no_noise": generator(w_plus, [torch.zeros_like(n) for n in noise]),
        "grad_w_plus": gradient,
    }
    yield from (Compared(name, ours[name], value) for name, value in golden.outputs.items())


# The four networks


@compares(f"models.networks.encoder.StyleGAN2ResnetEncoder, {REPOSITORY}")
def encoder(golden: Golden) -> Iterator[Compared]:
    network = network_of(golden, "E")
    assert isinstance(network, official.Encoder)
    for name, value in golden.outputs.items():
        image = input_of(golden, f"image{name[-1]}")
        content, style = network(image)
        features = {
            "sp": content,
            "gl": style,
            "midpoint": network.trunk(image),
            "feature": network.pooled_features(image),
        }
        yield Compared(name, features[name[:-1]], value)


@compares(f"models.networks.generator.StyleGAN2ResnetGenerator, {REPOSITORY}")
def generator(golden: Golden) -> Iterator[Compared]:
    network = network_of(golden, "G")
    for name, value in golden.outputs.items():
        which = re.fullmatch(r"rgb_?(\d+|map)_(no_)?noise", name)
        suffix = which[1] if which[1].isdigit() else f"_{which[1]}"
        content, style = input_of(golden, f"sp{suffix}"), input_of(golden, f"gl{suffix}")
        noise = "none" if which[2] else noise_of(golden, *content.shape[2:])
        yield Compared(name, network(content, style, noise), value)


def noise_of(golden: Golden, height: int, width: int) -> list[Tensor]:
    """The golden's noise maps for content codes of that size, in the order of layers."""
    maps = []
    for name, size in golden.spec["noise"].items():
        factor = int(re.search(r"h\*(\d+)", size)[1])
        h, w = height * factor, width * factor
        maps.append(torch.from_numpy(recipe.draw(f"{name}.noise.{h}x{w}", (1, 1, h, w), golden.spec["seed"])))
    return maps


@compares(f"models.networks.discriminator.StyleGAN2Discriminator, {REPOSITORY}")
def discriminator(golden: Golden) -> Iterator[Compared]:
    network = network_of(golden, "D")
    assert isinstance(network, official.Discriminator)
    image = input_of(golden, "image").requires_grad_()
    logits = network(image)
    (gradient,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    squares = gradient.square().sum((1, 2, 3))
    first, last = network.from_rgb.conv.weight, network.head[1].weight
    ours = {
        "logits": logits,
        "features_first64": network.features(image)[:, :64],
        "grad_image_first": gradient[:1],
        "grad_sq": squares,
        **dict(
            zip(("r1_wgrad_first", "r1_wgrad_last"), torch.autograd.grad(squares.sum(), (first, last)), strict=True)
        ),
    }
    yield from (Compared(name, ours[name], value) for name, value in golden.outputs.items())


@compares(f"models.networks.patch_discriminator.StyleGAN2PatchDiscriminator, {REPOSITORY}")
def patch_discriminator(golden: Golden) -> Iterator[Compared]:
    network = network_of(golden, "Dpatch")
    assert isinstance(network, official.PatchDiscriminator)
    reference, query = (input_of(golden, name).requires_grad_() for name in ("reference", "query"))
    features = network.features(reference)
    ours = {
        "feat_reference": features,
        "feat_query": network.features(query),
        "feat_reference_agg": features.mean(1, keepdim=True).expand_as(features),
    }
    for average, name in ((True, "agg"), (False, "noagg")):
        network.average_references = average
        logits = network(reference, query)
        gradients = torch.autograd.grad(logits.sum(), (reference, query))
        ours[f"logits_{name}"] = logits.reshape(-1, 1)
        ours[f"grad_sq_{name}"] = sum(g.square().flatten(1).sum(1) for g in gradients)
    yield from (Compared(name, ours[name].reshape(value.shape), value) for name, value in golden.outputs.items())


@compares(f"util.apply_random_crop, {REPOSITORY}")
def crops(golden: Golden) -> Iterator[Compared]:
    words = golden.config
    ours = crops_of(
        golden, "", input_of(golden, "image"), words["num_crops"], words["target_size"], tuple(words["scale_range"])
    )
    yield Compared("crops", ours, golden.outputs["crops"])


# Losses, a step, the checkpoint


@compares("models.networks.loss.gan_loss and models.swapping_autoencoder_model.SwappingAutoencoderModel")
def losses(golden: Golden) -> Iterator[Compared]:
    given = {name: input_of(golden, name, torch.float64) for name in golden.spec["inputs"]}
    words, official_values = golden.config, golden.spec["values"]
    terms = _terms_of_logits(given)
    r1, patch_r1 = _penalties_of_gradients(given)
    terms["R1_image"], terms["R1_patch"] = words["lambda_R1"] / 2 * r1, words["lambda_patch_R1"] / 4 * patch_r1
    terms["D_R1"] = terms["R1_image"] + terms["R1_patch"]
    terms["D_R1_times_16"] = 16 * terms["D_R1"]
    of_codes = (given["C_g"], given["S_g"], given["C_A"], given["S_B"])
    terms["code_consistency"] = objectives.code_consistency(*of_codes, words["style_consistency_lambda"])
    terms["code_consistency_content"] = objectives.code_consistency(*of_codes, 0.0)
    terms["code_consistency_style"] = objectives.code_consistency(*of_codes, 1.0) - terms["code_consistency_content"]
    mask = (given["mask_draw"] > 0).double()
    terms["content_alignment"] = objectives.content_alignment(given["I_h"], given["I_g"], given["I_A"], mask)
    for name, value in official_values.items():
        yield Compared(name, terms[name], value, EXACT)
    codes = given["codes"][swap_order(len(given["codes"]))]
    yield Compared("swapped", codes, golden.outputs["swapped"])


class _Given(nn.Module):
    """A discriminator that gives the golden's logits for whatever it sees."""

    average_references = True

    def __init__(self, *logits: Tensor) -> None:
        super().__init__()
        self.logits = list(logits)

    def forward(self, *_: Tensor) -> Tensor:
        return self.logits.pop(0)

    def features(self, crops: Tensor) -> Tensor:
        return crops.flatten(2)

    def pair(self, reference: Tensor, query: Tensor) -> Tensor:
        return self.logits.pop(0)


def _terms_of_logits(given: dict[str, Tensor]) -> dict[str, Tensor]:
    real, rec = given["real"], given["rec"]
    mixed, crop = torch.zeros_like(real), real[:, None]
    of_images = objectives.discriminator_terms(
        _Given(given["pred_real"], given["pred_rec"], given["pred_mix"]), real, rec, mixed
    )
    of_patches = objectives.patch_discriminator_terms(_Given(given["patch_real"], given["patch_mix"]), crop, crop, crop)
    of_generator = objectives.generator_terms(
        _Given(given["pred_rec"], given["pred_mix"]), real, rec, mixed
    ) | objectives.patch_generator_terms(_Given(given["patch_mix"]), crop, crop)
    terms = official_terms({**of_images, **of_patches, **of_generator})
    terms["gan_real"], terms["gan_fake"] = (
        objectives.GAN.real(given["pred_real"]),
        objectives.GAN.fake(given["pred_mix"]),
    )
    terms["D_total"] = sum(terms[name] for name in ("D_real", "D_rec", "D_mix", "PatchD_real", "PatchD_mix"))
    terms["G_total"] = sum(terms[name] for name in ("G_L1", "G_GAN_rec", "G_GAN_mix", "G_mix"))
    return terms


def official_terms(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our raw terms as the official code logs them, with the weights that are written into it."""
    weights = {"discriminator_reconstruction": 0.5, "discriminator_swap": 0.5, "adversarial_reconstruction": 0.5}
    return {OFFICIAL_TERMS[name]: weights.get(name, 1.0) * value for name, value in terms.items()}


def _penalties_of_gradients(given: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Both penalties of linear discriminators whose gradients are the golden's."""

    def patches(reference: Tensor, target: Tensor) -> Tensor:
        return (reference * given["grad_ref"]).sum() + (target * given["grad_target"]).sum()

    crops = torch.zeros_like(given["grad_ref"])
    terms = objectives.gradient_penalties(lambda x: x * given["grad_image"], patches, given["real"], crops, crops)
    return terms["r1"], terms["patch_r1"]


@compares(f"models.swapping_autoencoder_model.SwappingAutoencoderModel, {REPOSITORY}")
def model(golden: Golden) -> Iterator[Compared]:
    yield from (_manifest if "variants" in golden.spec else _step)(golden)


OFFICIAL_TERMS = {
    "discriminator_real": "D_real",
    "discriminator_reconstruction": "D_rec",
    "discriminator_swap": "D_mix",
    "patch_discriminator_real": "PatchD_real",
    "patch_discriminator_swap": "PatchD_mix",
    "reconstruction": "G_L1",
    "adversarial_reconstruction": "G_GAN_rec",
    "adversarial_swap": "G_GAN_mix",
    "adversarial_patch": "G_mix",
}
"""What the official code calls the terms, which it logs with their weights."""
CROPS = {
    "discriminators": ("d_ref", "d_target", "d_mix"),
    "r1": ("r1_ref", "r1_target"),
    "generator": ("g_ref", "g_mix"),
}
"""The golden's crops in the order in which a phase takes them."""


def _step(golden: Golden) -> Iterator[Compared]:
    """The phases of `SwapAE`, each from the same weights, in float64, with the golden's crops and without noise."""
    parts = official.networks(golden.config)
    official.load_state(parts, state_of(golden))
    words = golden.config
    module = SwapAE(
        parts["E"],  # type: ignore[arg-type]
        parts["G"],  # type: ignore[arg-type]
        parts["D"],  # type: ignore[arg-type]
        parts["Dpatch"],  # type: ignore[arg-type]
        crops=words["patch_num_crops"],
        crop_min=words["patch_min_scale"],
        crop_max=words["patch_max_scale"],
        lambda_reconstruction=words["lambda_L1"],
        lambda_gan=words["lambda_GAN"],
        lambda_patch_gan=words["lambda_PatchGAN"],
        lambda_r1=words["lambda_R1"],
        lambda_patch_r1=words["lambda_patch_R1"],
    ).double()
    images = input_of(golden, "image", torch.float64)
    batch = Batch(images, images, images, images, torch.zeros(len(images), dtype=torch.bool), [], [])
    for phase in module.phases():
        names = iter(CROPS[phase.name])

        def crop(of: Tensor, count: int, size: int, scales: tuple[float, float], names: Any = names) -> Tensor:
            return crops_of(golden, f"{next(names)}.", of, count, size, scales)

        with (
            patch.object(swapae_module, "random_crop", crop),
            patch.object(NoiseInjection, "forward", lambda _, x, noise=None: x),
        ):
            losses = phase.losses(batch, module.begin_step(batch))
        weighted = {name: loss.weight * loss.value for name, loss in losses.items()}
        objective = sum(weighted.values())
        if phase.name == "r1":  # one term of both, logged before it is multiplied by the interval
            weighted = {"D_R1": objective / module.r1_interval}
        terms = {OFFICIAL_TERMS.get(name, name): value for name, value in weighted.items()}
        side = ("E", "G") if phase.name == "generator" else ("D", "Dpatch")
        tag = phase.name if phase.name == "r1" else phase.name[0]
        yield from _compared_phase(golden, tag, terms, objective, {prefix: parts[prefix] for prefix in side})


def _compared_phase(
    golden: Golden, tag: str, terms: dict[str, Tensor], objective: Any, parts: dict[str, nn.Module]
) -> Iterator[Compared]:
    parameters = {
        f"{prefix}.{official.official_name(network, name)}": parameter
        for prefix, network in parts.items()
        for name, parameter in network.named_parameters()
    }
    found = torch.autograd.grad(objective, list(parameters.values()), allow_unused=True)
    gradients = {name: g for name, g in zip(parameters, found, strict=True) if g is not None}
    for name, value in terms.items():
        yield Compared(name, value, golden.spec["values"][name], EXACT)
    if "G_L1" in terms:
        yield Compared("L1_dist", terms["G_L1"], golden.spec["values"]["L1_dist"], EXACT)
    norm = torch.stack([g.norm() for g in gradients.values()]).norm()
    yield Compared(f"{tag}:grad_norm", norm, golden.spec["values"][f"{tag}:grad_norm"], EXACT)
    for name, value in golden.outputs.items():
        if name.startswith(f"{tag}:"):
            ours = gradients[name.removeprefix(f"{tag}:")].flatten()[: len(value)]
            yield Compared(name, ours, value, EXACT)


def _manifest(golden: Golden) -> Iterator[Compared]:
    """Names, shapes and parameters of every published set of options."""
    shared = {"state": golden.spec["state"], "constants": golden.spec["constants"]}
    for name, given in golden.spec["variants"].items():
        variant = {**shared, **given}
        with torch.device("meta"):
            parts = official.networks(variant["config"])
        ours = {entry: list(v.shape) for entry, v in official.to_official(parts, with_constants=True).items()}
        theirs = {entry: shape for entry, shape in variant["state"].items() if entry != official.COUNTER}
        differing = sorted({entry for entry in {**ours, **theirs} if ours.get(entry) != theirs.get(entry)})
        assert not differing, f"{name}: {differing[:5]}"
        assert set(ours) - set(official.to_official(parts)) == set(variant["constants"])
        for prefix, count in variant["parameters"].items():
            counted = sum(p.numel() for p in parts[prefix].parameters())
            yield Compared(f"parameters of {prefix} in {name}", float(counted), float(count), 0.0)
