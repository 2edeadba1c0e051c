"""CoCosNet: correspondence network, generator, discriminator, VGG19, losses, and the entries of the released networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.cocosnet import losses, official
from lightning_modules.losses.adversarial import AdversarialLoss
from lightning_modules.losses.perceptual import VGG19
from tests.golden import recipe
from tests.parity.golden import Compared, Golden, compares

OFFICIAL = "(microsoft/CoCosNet, models/networks/"
COARSE = 8
"""Label maps are drawn at this size and enlarged."""


@compares(f"NoVGGCorrespondence {OFFICIAL}correspondence.py)")
def correspondence(golden: Golden) -> Iterator[Compared]:
    flags, given = golden.config, _inputs(golden)
    network = official.build("Corr", flags).eval()
    official.load_state(network, _state(golden), golden.name)
    names = {"feat_seg": "structure_adaptor", "feat_img": "image_adaptor", "theta": "theta", "phi": "phi"}
    taps = {name: _tap(network.get_submodule(module)) for name, module in names.items()}
    exemplar = given["ref_img"].requires_grad_()
    match = network(given["seg_map"], exemplar, given["ref_seg_map"], truth=given["real_img"])
    warp = network.warp(
        match,
        exemplar,
        structure=given["seg_map"],
        exemplar_structure=given["ref_seg_map"],
        mask=flags["warp_mask_losstype"],
        cycle=flags["warp_cycle_w"] > 0,
        truth=given["real_img"] if flags["two_cycle"] else None,
    )
    (gradient,) = torch.autograd.grad((warp.image * given["cotangent"]).sum(), exemplar)
    expected = golden.outputs
    rows = expected["corr_rows"].shape[1]
    ours: dict[str, Tensor | None] = {
        "corr_rows": match.correlation.matrix()[:, :rows],
        "warp_out": warp.image,
        "grad_ref_img_pool4": F.avg_pool2d(gradient, 4),
        "loss_novgg_featpair": flags["novgg_featpair"] * losses.domain_alignment(match.structure, match.truth),
        "warp_mask": warp.mask,
        "warp_cycle": warp.cycle,
        "warp_i2r": warp.truth_at_exemplar,
        "warp_i2r2i": warp.truth_cycle,
    }
    count = len(given["seg_map"])  # exemplar and ground truth go through the image adaptor together
    for name in names:
        ours[f"{name}_ch"] = taps[name]()[:count, : expected[f"{name}_ch"].shape[1]]
        ours[f"{name}_absmean"] = taps[name]()[:count].abs().mean(dim=(2, 3))
    yield from _all_of(golden, ours)


@compares(f"SPADEGenerator {OFFICIAL}generator.py)")
def generator(golden: Golden) -> Iterator[Compared]:
    given = _inputs(golden)
    network = official.build("G", golden.config).eval()
    official.load_state(network, _state(golden), golden.name)
    names = {"fc": "start", "head_0": "head", "G_middle_0": "middle_0", "G_middle_1": "middle_1", "attn": "attention"}
    blocks = {name.removeprefix("mean_") for name in golden.outputs if name.startswith("mean_")}
    taps = {name: _tap(network.get_submodule(names.get(name, name))) for name in blocks}
    warped = given["warp_out"].requires_grad_()
    image = network(warped, given["input_semantics"])
    (gradient,) = torch.autograd.grad((image * given["cotangent"]).sum(), warped)
    ours: dict[str, Tensor | None] = {"fake_image": image, "grad_warp_out_pool2": F.avg_pool2d(gradient, 2)}
    for name, tap in taps.items():
        ours[f"mean_{name}"] = tap().mean(dim=(2, 3))
        ours[f"std_{name}"] = tap().std(dim=(2, 3), unbiased=False)
    yield from _all_of(golden, ours)


@compares(f"MultiscaleDiscriminator of NLayerDiscriminator {OFFICIAL}discriminator.py)")
def discriminator(golden: Golden) -> Iterator[Compared]:
    given = _inputs(golden)
    network = official.build("D", golden.config).eval()
    official.load_state(network, _state(golden), golden.name)
    image = given["image"].requires_grad_()
    outputs = network(given["input_semantics"], image)
    ours: dict[str, Tensor | None] = {}
    total = torch.zeros(())
    for i, scale in enumerate(outputs):
        total = total + (scale[-1] * given[f"cotangent_{i}"]).sum()
        for j, output in enumerate(scale):
            ours[f"d{i}_out{j}"] = output[:, : golden.outputs[f"d{i}_out{j}"].shape[1]]
            ours[f"d{i}_out{j}_mean"] = output.mean(dim=(2, 3))
    (gradient,) = torch.autograd.grad(total, image)
    ours["grad_image_pool2"] = F.avg_pool2d(gradient, 2)
    yield from _all_of(golden, ours)


@compares("VGG19_feature_color_torchversion")
def vgg19(golden: Golden) -> Iterator[Compared]:
    image = _inputs(golden)["image"]
    ours: dict[str, Tensor | None] = {}
    for corrected in (True, False):
        network = VGG19(golden.name, corrected_range=corrected)
        network.load(_state(golden), golden.name)
        if corrected:
            ours["preprocessed"] = network.preprocess(image)[:, :, ::2, ::2]
        for name, features in network(image).items():
            ours[f"{'' if corrected else 'uncorrected_'}{name}_mean"] = features.mean(dim=(2, 3))
            if corrected:
                ours[f"{name}_ch"] = features[:, : golden.outputs[f"{name}_ch"].shape[1]]
    yield from _all_of(golden, ours)


@compares("Pix2PixModel.compute_generator_loss / compute_discriminator_loss")
def all_losses(golden: Golden) -> Iterator[Compared]:
    given = {name: value.double() for name, value in _inputs(golden).items()}
    yield from _all_of(golden, _loss_parts(given), tolerance=1e-6)
    for case, values in golden.spec["values"].items():
        yield from _objective(case, values, given)


def _loss_parts(given: dict[str, Tensor]) -> dict[str, Tensor | None]:
    x, y = given["ctx_x"], given["ctx_y"]
    fake, real = _judged(given)
    pseudo = official.factor_in_batch(given["self_ref"][:, 0, 0, 0])
    parts: dict[str, Tensor | None] = {
        "contextual_forward_pono_True": losses.contextual(x, y),
        "contextual_forward_pono_False": losses.contextual(x, y, centre="channel"),
        "contextual_forward_nocentering": losses.contextual(x, y, centre="none"),
        "contextual_forward_pono_h0.5": losses.contextual(x, y, bandwidth=0.5),
        "contextual_other_direction": losses.contextual(x, y, centre="channel", best_of="x", eps=1e-5),
        "weighted_l1_r32": losses.weighted_l1(given["fake_r32"], given["real_r32"], pseudo),
        "domain_l1_unweighted": losses.domain_alignment(_unit(given["feat_seg"]), _unit(given["feat_img_pair"])),
    }
    for word in ("hinge", "ls", "original", "w"):
        adversarial = AdversarialLoss(official.loss_arguments({"gan_mode": word})["gan_mode"])
        parts[f"gan_{word}_G"] = losses.over_scales(adversarial.generator, fake)
        parts[f"gan_{word}_D_fake"] = losses.over_scales(adversarial.fake, fake)
        parts[f"gan_{word}_D_real"] = losses.over_scales(adversarial.real, real)
    return parts


def _objective(case: str, values: dict, given: dict[str, Tensor]) -> Iterator[Compared]:
    """Every weighted term of a step, and their sum, under one set of published flags."""
    settings = official.loss_arguments(values["flags"])
    weights, layer = settings["weights"], settings["perceptual_layer"]
    fake, real = _judged(given)
    vgg = {side: {r: given[f"{side}_{r}"] for r in losses.FEATURE_MATCHING_WEIGHTS} for side in ("fake", "real", "ref")}
    pseudo = official.factor_in_batch(given["self_ref"][:, 0, 0, 0])
    adversarial = AdversarialLoss(settings["gan_mode"])
    terms = {
        "domain_alignment": losses.domain_alignment(_unit(given["feat_seg"]), _unit(given["feat_img_pair"])),
        "feature_matching": losses.feature_matching(vgg["fake"], vgg["real"], pseudo),
        "perceptual": losses.perceptual(vgg["fake"][layer], vgg["real"][layer]),
        "contextual": losses.contextual_levels(vgg["fake"], vgg["ref"], with_r22=settings["contextual_r22"]),
        "mask": losses.mask_regularisation(
            given["warp_mask"], _one_hot(given["input_label"]), _one_hot(given["ref_label"]), per_sample=False
        ),
        "cycle": losses.cycle(
            given["warp_cycle_patch" if values["flags"]["warp_patch"] else "warp_cycle"], given["ref_image"]
        ),
        "self_warp": losses.self_warp(given["warp_out"], given["real_image"], pseudo),
        "adversarial": losses.over_scales(adversarial.generator, fake),
        "discriminator_features": losses.discriminator_feature_matching(fake, real),
    }
    if settings["two_cycle"]:
        terms["cycle"] = terms["cycle"] + losses.cycle(given["warp_i2r2i"], given["real_image"])
    if settings["mask"] == "none":
        del terms["mask"]
    ours = {name: weights[name] * term for name, term in terms.items() if weights[name] > 0}
    theirs = {official.LOSS_NAMES[key[2:]]: value for key, value in values.items() if key[2:] in official.LOSS_NAMES}
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        yield Compared(f"{case}: {name}", ours[name], value, 1e-6)
    yield Compared(f"{case}: total", torch.stack(list(ours.values())).sum(), values["G/total"], 1e-6)
    weight = weights["adversarial"]
    yield Compared(f"{case}: D fake", weight * losses.over_scales(adversarial.fake, fake), values["D/D_Fake"], 1e-6)
    yield Compared(f"{case}: D real", weight * losses.over_scales(adversarial.real, real), values["D/D_real"], 1e-6)


@compares("NoVGGCorrespondence, SPADEGenerator, MultiscaleDiscriminator (microsoft/CoCosNet)")
def released(golden: Golden) -> Iterator[Compared]:
    """Full-size networks without values: every published entry has a place or is accounted for as a dead branch."""
    for kind, shapes in golden.spec["state"].items():
        with torch.device("meta"):
            network = official.build(kind, golden.config)
            state = {name: torch.empty(shape) for name, shape in shapes.items()}
        report = official.load_state(network, state, golden.spec["files"][kind])
        ignored = [name for names in report.ignored.values() for name in names]
        yield Compared(f"{kind}: entries", float(report.loaded + len(ignored)), float(golden.spec["entries"][kind]))
        vectors = ("weight_u", "weight_v")
        dead = sum(state[name].numel() for name in ignored if not name.endswith(vectors))
        parameters = sum(parameter.numel() for parameter in network.parameters())
        yield Compared(f"{kind}: parameters", float(parameters + dead), float(golden.spec["parameters"][kind]), 0)
        round_trip = official.to_official(network)
        assert {name: list(value.shape) for name, value in round_trip.items()} == {
            name: list(shape) for name, shape in shapes.items() if name not in ignored
        }
        told = official.describe(state)
        assert {name: golden.config[name] for name in told if name in golden.config} == {
            name: value for name, value in told.items() if name in golden.config
        }


def _all_of(golden: Golden, ours: dict[str, Tensor | None], tolerance: float = 1e-4) -> Iterator[Compared]:
    """Every output of the golden beside ours."""
    for name, expected in golden.outputs.items():
        value = ours[name]
        assert value is not None, f"{name} was not computed"
        yield Compared(name, value, expected, tolerance)


def _state(golden: Golden) -> dict[str, Tensor]:
    """The recipe's state dict, with one power iteration of every spectral norm from the recipe's u."""
    shapes = {name: tuple(shape) for name, shape in golden.spec["state"].items()}
    values = recipe.state_dict(shapes, golden.spec["seed"])
    state = {name: torch.from_numpy(np.asarray(value)) for name, value in values.items()}
    for name in [key.removesuffix("orig") for key in state if key.endswith("weight_orig")]:
        matrix = state[f"{name}orig"].flatten(1)
        v = F.normalize(matrix.t() @ state[f"{name}u"], dim=0, eps=1e-12)
        state[f"{name}u"], state[f"{name}v"] = F.normalize(matrix @ v, dim=0, eps=1e-12), v
    return state


def _inputs(golden: Golden) -> dict[str, Tensor]:
    """All inputs of a golden, by the words that describe them."""
    return {name: _input(golden, name, **described) for name, described in golden.spec["inputs"].items()}


def _input(golden: Golden, name: str, shape: list[int], kind: str) -> Tensor:
    size, seed = tuple(shape), golden.spec["seed"]
    drawn = torch.from_numpy(recipe.draw(name, size, seed))
    if kind.startswith("image"):
        return torch.from_numpy(recipe.image(name, size, seed))
    if kind.startswith("(image + 1) / 2"):
        return (torch.from_numpy(recipe.image(name, size, seed)) + 1) / 2
    if kind.startswith("draw"):
        return drawn
    if kind.startswith("max(draw, 0)"):
        return drawn.clamp_min(0)
    if kind.startswith("softmax over axis 1"):
        return drawn.softmax(dim=1)
    if kind.startswith("one-hot label map"):
        return _one_hot(_labels(name, size, seed, classes=size[1]), size[1])
    if kind.startswith("integer label map"):
        return _labels(name, size, seed, classes=int(kind.split("(4, ")[1].split(",")[0]))
    if kind.startswith("constant per sample"):
        values = torch.tensor([float(x) for x in kind.split("[")[1].rstrip("]").split(",")])
        return values.view(-1, 1, 1, 1).expand(size).clone()
    raise NotImplementedError(f"{golden.name}: {name} is {kind!r}")


def _labels(name: str, size: tuple[int, ...], seed: int, classes: int) -> Tensor:
    coarse = recipe.draw(name, (size[0], classes, COARSE, COARSE), seed).argmax(axis=1)
    labels = torch.from_numpy(coarse).unsqueeze(1).float()
    return F.interpolate(labels, size[2:], mode="nearest").long()


def _one_hot(labels: Tensor, classes: int = 40) -> Tensor:
    return F.one_hot(labels.long().squeeze(1), classes).permute(0, 3, 1, 2).to(torch.float32)


def _judged(given: dict[str, Tensor]) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """The discriminators' outputs for fake and real images."""
    fake, real = ([[given[f"pred_{side}_{i}_{j}"] for j in range(4)] for i in range(2)] for side in ("fake", "real"))
    return fake, real


def _unit(features: Tensor) -> Tensor:
    return features / (features.norm(dim=1, keepdim=True) + 2.2e-16)


def _tap(module: nn.Module) -> Callable[[], Tensor]:
    values: list[Tensor] = []
    module.register_forward_hook(lambda _, inputs, output: values.append(output.detach()))
    return lambda: values[0]
