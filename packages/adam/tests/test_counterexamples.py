"""The bounds on the step (§2.1, §7.1), the gradients that exceed them, and the theorem (§4)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lessons.adam import Adam, AdaMax
from lessons.adam.counterexamples import (
    adamax_tight_bound,
    growing,
    online,
    rare,
    shrinking,
    stated_bound,
    step_sizes,
    tight_bound,
)

BETAS = (0.9, 0.999)


def run(make, gradients, **options):
    """Return the iterates of an optimizer that is fed the rows of ``gradients``."""
    x, iterates = torch.zeros_like(gradients[0]).requires_grad_(), [torch.zeros_like(gradients[0])]
    optimizer = make([x], **options)
    for gradient in gradients:
        x.grad = gradient.clone()
        optimizer.step()
        iterates.append(x.detach().clone())
    return torch.stack(iterates)


def test_the_stated_bound_on_the_step_is_exceeded_by_growing_gradients():
    # g_i ∝ (β₁/β₂)^{T−i}: by Cauchy-Schwarz the worst case for m/√v.
    largest = step_sizes(growing(1000, BETAS), eps=0.0)[-1]
    assert largest == pytest.approx(5.781, abs=1e-3)
    assert stated_bound(BETAS) < largest < tight_bound(BETAS) == pytest.approx(7.2703, abs=1e-4)


def test_the_other_case_of_the_stated_bound_falls_too():
    betas = (0.9, 0.99)  # (1 − β₁) = √(1 − β₂): "|Δ| < α"
    assert stated_bound(betas) == pytest.approx(1)
    largest = step_sizes(growing(1000, betas), betas=betas, eps=0.0)[-1]
    assert largest == pytest.approx(tight_bound(betas), rel=1e-3)


def test_a_lone_spike_reaches_the_stated_bound_and_no_more():
    step = step_sizes([0.0] * 20_000 + [1.0])[-1]
    assert step == pytest.approx(stated_bound(BETAS), rel=1e-6)


@given(hnp.arrays("float64", 30, elements=st.floats(-1e3, 1e3)))
@settings(max_examples=100, deadline=None)
def test_no_gradients_exceed_the_cauchy_schwarz_bound(gradients):
    iterates = run(Adam, torch.from_numpy(gradients)[:, None], lr=1.0, fused=False)
    t = torch.arange(1, 31, dtype=torch.float64)[:, None]
    corrections = (1 - 0.999**t).sqrt() / (1 - 0.9**t)
    limit = 0.1 / (math.sqrt(0.001) * math.sqrt(1 - 0.81 / 0.999))
    assert (iterates.diff(dim=0).abs() <= limit * corrections + 1e-9).all()


@given(hnp.arrays("float64", 30, elements=st.floats(-1e3, 1e3)))
@settings(max_examples=100, deadline=None)
def test_adamax_never_exceeds_the_corrected_bound(gradients):
    steps = run(AdaMax, torch.from_numpy(gradients)[:, None], lr=1.0).diff(dim=0).abs()
    t = torch.arange(1, 31, dtype=torch.float64)[:, None]
    assert (steps <= 0.1 / (1 - 0.9 / 0.999) / (1 - 0.9**t) + 1e-9).all()


def test_adamax_exceeds_its_stated_bound_by_nine_parts_in_a_thousand():
    largest = max(step_sizes(shrinking(1000, BETAS), make=AdaMax))
    assert 1 < largest <= adamax_tight_bound(BETAS) + 1e-12
    assert largest == pytest.approx(1.009091, abs=1e-6)


def test_adam_walks_to_the_worst_point_and_amsgrad_to_the_best():
    for amsgrad, end in ((False, 1.0), (True, -1.0)):
        xs = online(rare(3.0, 1.0, 3), 20_000, 0.1, (0.0, 0.1), amsgrad)
        assert xs[-1] == pytest.approx(end, abs=0.01)


def test_a_cycle_of_the_counterexample_moves_adam_to_the_right():
    # The limit of v in a cycle of 9, 1, 1 with β₂ = .1, and the three steps in units of α.
    v = [8.2072, 1.7207, 1.0721]
    last = v[2]
    for g, expected in zip((3.0, -1.0, -1.0), v):
        last = 0.1 * last + 0.9 * g * g
        assert last == pytest.approx(expected, abs=1e-4)
    steps = [-3 / math.sqrt(v[0]), 1 / math.sqrt(v[1]), 1 / math.sqrt(v[2])]
    assert steps == pytest.approx([-1.047, 0.762, 0.966], abs=1e-3)
    assert sum(steps) > 0.68
