"""How many steps do samplers need? On a trained PIDM, each at several numbers of steps, beside 1000 steps.

    python -m benchmarks.samplers runs/.../checkpoints/last.ckpt
    python -m benchmarks.samplers CKPT --pairs 32 --steps 5 10 20 50 100 --reference 1000

DDIM without noise and DPM-Solver++ follow the same curve from noise to image: they are compared with DDIM's finest steps from
the same noise, image by image (SSIM and PSNR). DDPM adds noise at every step, so its images are others each time: it is
compared by how like the true targets its images are (SSIM), beside its own finest steps. A sampler needs as many steps as bring
it within 1 % of its reference: to an SSIM of 0.99 with it, DDPM to 0.99 of its SSIM to the targets.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from datamodules.batch import Batch
from metrics import image_quality
from metrics.image_quality import quantise

SAMPLERS: dict[str, dict[str, Any]] = {
    "ddim": {"sampler": "ddim", "eta": 0.0, "spacing": "trailing"},
    "dpmpp_2m": {"sampler": "dpmpp_2m", "spacing": "trailing"},
    "dpmpp_2m, karras": {"sampler": "dpmpp_2m", "spacing": "karras"},
    "ddpm": {"sampler": "ddpm", "spacing": "trailing"},
}
"""Name in the table -> options of `PIDM.translate`."""

STEPS = (10, 20, 50, 100)
REFERENCE = 1000
PAIRS = 8
CLOSE = 0.99


@dataclass(frozen=True)
class Row:
    """A sampler at a number of steps."""

    sampler: str
    steps: int
    to_reference: float | None
    """SSIM with the image of the reference; None for DDPM."""
    psnr: float | None
    """PSNR to it, in dB."""
    to_target: float
    """SSIM to the true target."""
    reference_to_target: float
    """The same of the reference."""

    @property
    def close(self) -> bool:
        """Whether it is within 1 % of its reference."""
        if self.to_reference is None:
            return self.to_target >= CLOSE * self.reference_to_target
        return self.to_reference >= CLOSE


def compare(
    model: Any, data: Any, pairs: int = PAIRS, steps: tuple[int, ...] = STEPS, reference: int = REFERENCE
) -> list[Row]:
    """Rows of a trained PIDM on pairs of the test split, which must be set up."""
    batch = data.examples("test", pairs)
    target = quantise(batch.target)
    finest = {name: _made(model, batch, SAMPLERS[name], reference) for name in ("ddim", "ddpm")}
    rows = []
    for name, options in SAMPLERS.items():
        wanted = finest["ddpm" if name == "ddpm" else "ddim"]
        known = _mean(image_quality.ssim(wanted, target))
        for count in steps:
            images = _made(model, batch, options, count)
            same = name != "ddpm"
            rows.append(
                Row(
                    name,
                    count,
                    _mean(image_quality.ssim(images, wanted)) if same else None,
                    _mean(image_quality.psnr(images, wanted)) if same else None,
                    _mean(image_quality.ssim(images, target)),
                    known,
                )
            )
    return rows


def report(rows: list[Row]) -> str:
    """A Markdown table, and the steps that each sampler needs."""
    lines = [
        "| sampler | steps | SSIM to the reference | PSNR to it | SSIM to the target | of the reference |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        same = ("", "") if row.to_reference is None else (f"{row.to_reference:.4f}", f"{row.psnr:.1f}")
        lines.append(
            f"| {row.sampler} | {row.steps} | {same[0]} | {same[1]} | {row.to_target:.4f} |"
            f" {row.reference_to_target:.4f} |"
        )
    lines.append("")
    for name in dict.fromkeys(row.sampler for row in rows):
        needed = [row.steps for row in rows if row.sampler == name and row.close]
        lines.append(f"- {name}: within 1 % from {needed[0]} steps on" if needed else f"- {name}: not within 1 %")
    return "\n".join(lines)


def _made(model: Any, batch: Batch, options: dict[str, Any], steps: int) -> Tensor:
    """Images in 8 bits, from the same noise whatever the sampler."""
    return quantise(model.translate(batch, **options, steps=steps, seed=list(range(batch.size))))


def _mean(values: Tensor) -> float:
    return float(values.mean())


def main() -> None:
    """The table of the checkpoint that the command line names."""
    from engine.applying import rebuild

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ckpt")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--reference", type=int, default=REFERENCE)
    given = parser.parse_args()
    model, data, _ = rebuild(given.ckpt, None, None, 0, averaged=True)
    data.prepare_data()
    data.setup("test")
    print(report(compare(model, data, given.pairs, tuple(given.steps), given.reference)))


if __name__ == "__main__":
    main()
