"""The plain forms that speed is measured against compute the same numbers."""

from __future__ import annotations

import torch

from benchmarks.cocosnet import difference, step_of

SMALL = [
    "model.correspondence.width=4",
    "model.generator.width=4",
    "model.discriminator.width=8",
    "model.perceptual.width=8",
    "model.reference_probability=1.0",
]


def test_the_correlation_and_its_explicit_matrix_agree_in_values_and_gradients():
    assert difference(12) < 1e-4


def test_the_training_step_and_its_plain_form_have_the_same_losses():
    cpu = torch.device("cpu")
    losses = {form: step_of(64, form, cpu, SMALL)() for form in ("blocks", "recompute", "plain")}
    for form in ("recompute", "plain"):
        torch.testing.assert_close(losses[form], losses["blocks"], atol=1e-3, rtol=1e-3)
