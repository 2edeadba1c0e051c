"""PIDM's network, diffusion process, loss, guidance, and every entry of the published checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from lightning_modules.pidm import official
from lightning_modules.pidm.denoiser import Denoiser
from lightning_modules.pidm.diffusion import CLEAN, Diffusion, Estimate
from lightning_modules.pidm.editing import pasted
from lightning_modules.pidm.guidance import BOTH, NOTHING, POSE, SOURCE, Guidance
from lightning_modules.pidm.network import Network
from lightning_modules.pidm.noise_predictor import sinusoid
from lightning_modules.pidm.samplers import Sampler, ddim_step, ddpm_step
from tests.golden import recipe
from tests.parity.golden import Compared, Golden, compares

REPOSITORY = "ankanbhunia/PIDM"


# Weights and inputs


def input_of(golden: Golden, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """An input of the golden, by the words that describe it; these also know products, clips, masks and listed values."""
    described = golden.spec["inputs"][name]
    if "values" in described:
        return torch.tensor(described["values"])
    kind, given = described["kind"], (described.get("name", name), tuple(described["shape"]), golden.spec["seed"])
    drawn, image = (torch.from_numpy(draw(*given)) for draw in (recipe.draw, recipe.image))
    if kind.startswith("abs(image)"):
        value = image.abs()
    elif kind.startswith("clip(1.5*image"):
        value = (1.5 * image).clamp(-1, 1)
    elif kind.endswith("*draw"):
        value = float(kind.removesuffix("*draw")) * drawn
    elif kind.startswith("1 where draw > 0"):
        value = (drawn > 0).float()
    else:
        value = {"draw": drawn, "image": image}[kind]
    return value.to(dtype)  # drawn and worked out in float32


def network_of(golden: Golden) -> Network:
    """The network of the golden's config with its weights: through the official names, and as the entries tell it."""
    network = official.network(golden.config).eval()
    shapes = golden.spec["state"] or {name: value.shape for name, value in official.to_official(network).items()}
    state = recipe.state_dict({name: tuple(shape) for name, shape in shapes.items()}, golden.spec["seed"])
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    official.load_state(network, tensors, golden.name)
    told = official.told_by(tensors)
    assert told == {name: value for name, value in official.arguments(golden.config).items() if name in told}
    return network


# Networks


@compares(f"BeatGANsAutoencModel (models/unet_autoenc.py) of {REPOSITORY}, class config")
@torch.no_grad()
def network(golden: Golden) -> Iterator[Compared]:
    net = network_of(golden)
    x, pose, source, t = (input_of(golden, name) for name in ("x_t", "pose", "source", "t"))
    ours = _features(net, source, golden, "encoder_feature_") | _features(
        net, torch.zeros_like(source), golden, "null_encoder_feature_"
    )

    def predicted(pose: Tensor, source: Tensor, half: bool = False) -> Tensor:
        cut = x.shape[3] // 2 if half else x.shape[3]
        return net(x[..., :cut], t, pose[..., :cut], net.texture(source[..., :cut]))

    no_pose, no_source = torch.zeros_like(pose), torch.zeros_like(source)
    mixed = torch.cat([source[:1], no_source[1:]])
    out = predicted(pose, source)
    ours |= {
        "out": out,
        "eps": out[:, :3],
        "var": out[:, 3:],
        "time_embedding": sinusoid(t, net.predictor.time.channels),
        "time_embed": net.predictor.time(t),
    }
    for name, conditions in {
        "null_source": (pose, no_source),
        "null_pose": (no_pose, source),
        "null_both": (no_pose, no_source),
        "mixed_batch": (pose, mixed),
        "out_nonsquare": (pose, source, True),
    }.items():
        if name in golden.outputs:
            ours[name] = predicted(*conditions)
    for name in golden.outputs:
        if name.startswith("guided_code_scale_"):
            ours[name] = _guided(net, float(name.rsplit("_", 1)[1]), x, pose, source, t)
    for name, expected in golden.outputs.items():
        yield Compared(name, ours[name], expected)


def _features(net: Network, source: Tensor, golden: Golden, prefix: str) -> dict[str, Tensor]:
    wanted = [int(name.removeprefix(prefix)) for name in golden.outputs if name.startswith(prefix)]
    assert net.texture_encoder is not None
    found = net.texture_encoder(source)
    return {f"{prefix}{number}": found[number][: golden.outputs[f"{prefix}{number}"].shape[0]] for number in wanted}


def _guided(net: Network, scale: float, x: Tensor, pose: Tensor, source: Tensor, t: Tensor) -> Tensor:
    """As `Denoiser` does it, batched and one after another; sample by sample, since a sampler has one time for all."""
    rows = []
    for i in range(len(x)):
        one = slice(i, i + 1)
        both = []
        for batched in (True, False):
            guidance = Guidance("source", style=scale, batched=batched)
            denoiser = Denoiser(net, Diffusion(), guidance, pose[one], net.texture(source[one]))
            prediction, raw_variance = denoiser(x[one], denoiser.diffusion.level(int(t[i])))
            assert raw_variance is not None
            assert raw_variance.abs().max() <= 1, "a guided variance must stay in its range"
            both.append(prediction)
        assert torch.allclose(*both, atol=1e-4)
        predictions = {
            POSE: net(x[one], t[one], pose[one], net.texture(0 * source[one])),
            BOTH: net(x[one], t[one], pose[one], net.texture(source[one])),
        }
        combined = Guidance("source", style=scale).combine(predictions)
        assert torch.allclose(combined[:, :3], both[0], atol=1e-4)
        rows.append(combined)
    return torch.cat(rows)


@compares(f"BeatGANsAutoencModel (models/unet_autoenc.py) of {REPOSITORY}, config get_model_conf()")
def released(golden: Golden) -> Iterator[Compared]:
    """The full size without values: every published entry has a place, or is one that the official code never uses."""
    with torch.device("meta"):
        net = official.network(golden.config)
        state = {name: torch.empty(shape) for name, shape in golden.spec["state"].items()}
    report = official.load_state(net, state, golden.name)
    counts = golden.spec["parameters"]
    assert set(report.dead) == set(golden.spec["never_used_in_forward"])
    told = official.told_by(state)
    assert told == {name: value for name, value in official.arguments(golden.config).items() if name in told}
    yield Compared("entries", float(len(report.loaded) + len(report.dead)), float(counts["tensors"]), 0)
    dead = sum(state[name].numel() for name in report.dead)
    yield Compared("never used", float(dead), float(counts["never_used_in_forward"]), 0)
    yield Compared("parameters", float(sum(p.numel() for p in net.parameters())), float(counts["used"]), 0)


# Guidance


@compares(f"BeatGANsAutoencModel.forward_with_cond_scale of {REPOSITORY}")
def guidance(golden: Golden) -> Iterator[Compared]:
    given = {name: input_of(golden, name) for name in golden.spec["inputs"]}
    for name, expected in golden.outputs.items():
        words = name.split("_")
        if words[0] == "code":
            guide = Guidance("source", style=float(words[2]))
            predictions = {BOTH: given["cond"], POSE: given["null"]}
        else:
            guide = Guidance("disentangled", pose=float(words[2]), style=float(words[4]))
            names = {NOTHING: "e_uncond", POSE: "e_pose_only", SOURCE: "e_style_only"}
            predictions = {branch: given[input_name] for branch, input_name in names.items()}
        used = {branch: predictions[branch] for branch in guide.weights()}  # no more than these is computed
        yield Compared(name, guide.combine(used), expected)


# Diffusion


@compares(f"GaussianDiffusion and ddim_steps (diffusion.py) of {REPOSITORY}")
def diffusion(golden: Golden) -> Iterator[Compared]:
    config = golden.config
    process = Diffusion("linear", config["T"], config["beta_start"], config["beta_end"])
    yield from _constants(golden, process)
    for n, expected in golden.spec["values"]["ddim_seq"].items():
        levels = Sampler(steps=int(n), spacing="official").levels(process)
        yield Compared(
            f"sequence of {n}", torch.tensor([level.t for level in levels]), torch.tensor([*expected[::-1], -1]), 0
        )
    ours = {**_training_steps(golden, process), **_ddim_jumps(golden, process)}
    for name, expected in golden.outputs.items():
        if not name.endswith("_f64"):
            yield Compared(name, ours[name], expected)


def _constants(golden: Golden, process: Diffusion) -> Iterator[Compared]:
    """In float64, at every time and at the listed ones."""
    c = process.constants
    left = c["alphas_cumprod"]
    names = {"posterior_log_variance_clipped": "posterior_log_variance"}
    names |= {"posterior_mean_coef1": "posterior_y0", "posterior_mean_coef2": "posterior_yt"}
    ours = {name: c[names.get(name, name)] for name in ("betas", "alphas_cumprod", *names)}
    for name, expected in golden.outputs.items():
        if name.endswith("_f64"):
            yield Compared(name, ours[name.removesuffix("_f64")], expected, 1e-12)
    before = torch.cat([left.new_ones(1), left[:-1]])
    ours |= {
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": c["signal"],
        "sqrt_one_minus_alphas_cumprod": c["noise"],
        "sqrt_recip_alphas_cumprod": 1 / c["signal"],
        "sqrt_recipm1_alphas_cumprod": c["noise"] / c["signal"],
        "posterior_variance": c["betas"] * (1 - before) / (1 - left),
    }
    for t, values in golden.spec["values"]["constants_at"].items():
        for name, expected in values.items():
            yield Compared(f"{name} at {t}", ours[name][int(t)], expected, 1e-9)


def _training_steps(golden: Golden, process: Diffusion) -> dict[str, Tensor]:
    """All that is done with a batch of different times, and the samplers' single steps at these."""
    y0, noise, t, output, fresh = (input_of(golden, n) for n in ("y0", "noise", "t", "model_output", "step_noise"))
    yt = process.add_noise(y0, t, noise)
    prediction, raw_variance = process.split(output)
    assert raw_variance is not None
    clipped, free = (process.estimate(prediction, yt, t, clip) for clip in (True, False))
    posterior = process.posterior(y0, yt, t)
    p = process.reverse(clipped.image, raw_variance, yt, t)
    ours = {
        "q_sample": yt,
        "posterior_mean": posterior.mean,
        "posterior_log_variance": posterior.log_variance.expand_as(y0),
        "p_mean_clip": p.mean,
        "p_xstart_clip": clipped.image,
        "p_mean_noclip": process.reverse(free.image, raw_variance, yt, t).mean,
        "p_xstart_noclip": free.image,
        "p_log_variance": p.log_variance,
    }

    def by_sample(step: Any) -> Tensor:
        rows = []
        for i, time in enumerate(t.tolist()):
            one, now, to = slice(i, i + 1), process.level(time), process.level(time - 1)
            rows.append(step(one, Estimate(clipped.image[one], clipped.noise[one]), now, to))
        return torch.cat(rows)

    ours["ddpm_step"] = by_sample(
        lambda one, e, now, to: ddpm_step(
            yt[one], e.image, raw_variance[one], now, to, None if to == CLEAN else fresh[one]
        )
    )
    for name in golden.outputs:
        if name.startswith("ddim_step_clip_eta"):
            eta = float(name.removeprefix("ddim_step_clip_eta"))
            ours[name] = by_sample(
                lambda one, e, now, to, eta=eta: ddim_step(e, now, to, eta, None if to == CLEAN else fresh[one])
            )
    return ours


def _ddim_jumps(golden: Golden, process: Diffusion) -> dict[str, Tensor]:
    """Two steps of DDIM with a jump, and the same with a reference pasted in the released code's order."""
    ours = {}
    levels = [*(process.level(t) for t in golden.config["jump"]), CLEAN]
    outputs, noises, reference_noises = (
        [input_of(golden, f"{name}_{i}") for i in (1, 2)] for name in ("out", "ddim_noise", "ref_noise")
    )
    reference, mask = input_of(golden, "reference"), input_of(golden, "mask")

    def run(eta: float, paste: bool) -> Iterator[Tensor]:
        y = input_of(golden, "x_T")
        for i, (now, to) in enumerate(pairwise(levels)):
            found = process.estimate_at(now, process.split(outputs[i])[0], y)
            y = ddim_step(found, now, to, eta, noises[i])
            y = pasted(y, reference, mask, now, reference_noises[i]) if paste else y
            yield y

    for name in golden.outputs:
        words = name.split("_")
        if name.startswith("ddim_after"):
            ours[name] = list(run(float(words[3].removeprefix("eta")), paste=False))[int(words[2]) - 1]
        elif name.startswith("edit_ddim_after"):
            ours[name] = list(run(0.0, paste=True))[int(words[3]) - 1]
    return ours


# The loss


@compares(f"GaussianDiffusion.training_losses of {REPOSITORY}")
def loss(golden: Golden) -> Iterator[Compared]:
    process = Diffusion()
    for precision, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-9)):
        y0, noise, output = (input_of(golden, name, precision) for name in ("y0", "noise", "model_output"))
        t = input_of(golden, "t")
        terms = process.losses(output, y0, process.add_noise(y0, t, noise), t, noise)
        yield from _terms(golden, f"fixed_output_{str(precision).removeprefix('torch.')}", terms, tolerance)
    net = network_of(golden)
    target, noise, source, pose = (input_of(golden, name) for name in ("target", "loss_noise", "source", "pose"))
    t = input_of(golden, "network_t")
    noisy = process.add_noise(target, t, noise)
    terms = process.losses(net(noisy, t, pose, net.texture(source)), target, noisy, t, noise)
    yield from _terms(golden, "network", terms, 1e-4)
    mean = (terms["mse"] + terms["vb"]).mean()
    expected = golden.spec["values"]["network"]
    yield Compared("network: mean loss", mean, expected["mean_loss"])
    mean.backward()
    assert all(parameter.grad is not None for parameter in net.parameters()), "a parameter without effect"
    gradients = {
        official.official_name(name): float(p.grad.norm()) for name, p in net.named_parameters() if p.grad is not None
    }
    total = math.sqrt(sum(norm**2 for norm in gradients.values()))
    yield Compared("network: norm of the gradient", total, expected["total_grad_norm"])
    for name, norm in expected["grad_norms"].items():
        yield Compared(f"network: gradient of {name}", gradients[name], norm)


def _terms(golden: Golden, case: str, terms: dict[str, Tensor], tolerance: float) -> Iterator[Compared]:
    expected = golden.spec["values"][case]
    for name, value in {**terms, "loss": terms["mse"] + terms["vb"]}.items():
        yield Compared(f"{case}: {name}", value, torch.tensor(expected[name], dtype=torch.float64), tolerance)
