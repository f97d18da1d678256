"""What §5 says of training."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.transformer import (
    LabelSmoothingLoss,
    average_checkpoints,
    batch_by_tokens,
    noam_lr,
    noam_schedule,
)


@pytest.mark.parametrize(
    ("step", "d_model", "expected"),
    [(4000, 512, 6.98771e-4), (4000, 1024, 4.94106e-4), (1, 512, 1.74693e-7),
     (100_000, 512, 1.39754e-4)],
)  # fmt: skip
def test_equation_3_at_known_steps(step, d_model, expected):
    assert noam_lr(step, d_model) == pytest.approx(expected, rel=1e-5)


@given(step=st.integers(1, 3999), d_model=st.integers(1, 4096))
def test_the_rate_rises_in_a_line_and_falls_with_the_root(step, d_model):
    peak = noam_lr(4000, d_model)
    assert noam_lr(step, d_model) == pytest.approx(peak * step / 4000)
    assert noam_lr(4000 + step, d_model) == pytest.approx(peak * math.sqrt(4000 / (4000 + step)))


def test_the_scheduler_sets_the_rate_of_each_step():
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))], lr=2.0)
    schedule = noam_schedule(optimizer, d_model=64, warmup=10)
    for step in range(1, 30):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(2 * noam_lr(step, 64, 10))
        optimizer.step()
        schedule.step()


def smoothed(eps, spread, v, target):
    off = eps / v if spread == "all" else eps / (v - 1)
    q = torch.full((v,), off, dtype=torch.float64)
    q[target] = 1 - eps + (off if spread == "all" else 0)
    return q


@pytest.mark.parametrize("spread", ["all", "others"])
@pytest.mark.parametrize("eps", [0.0, 0.1, 0.4])
def test_smoothed_targets_and_padding(eps, spread):
    logits = torch.randn(2, 3, 7, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1, 6, 0], [4, 0, 0]])
    loss = LabelSmoothingLoss(eps, 0, spread)
    log = logits.log_softmax(-1)
    each = [
        -(smoothed(eps, spread, 7, t) @ log[b, i]) for b, i, t in ((0, 0, 1), (0, 1, 6), (1, 0, 4))
    ]
    torch.testing.assert_close(loss(logits, target), sum(each) / 3)
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    assert (gradient[target == 0] == 0).all()
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (logits,))


def test_smoothing_is_least_at_the_smoothed_target_not_at_certainty():
    q = smoothed(0.1, "all", 5, 2)
    loss = LabelSmoothingLoss(0.1, ignore_index=-1)
    at_target = loss(q.log()[None], torch.tensor([2]))
    entropy = -(q * q.log()).sum()
    torch.testing.assert_close(at_target, entropy)
    sure = torch.full((1, 5), -20.0, dtype=torch.float64)
    sure[0, 2] = 20.0
    assert loss(sure, torch.tensor([2])) > at_target


def test_only_padding_costs_nothing():
    logits = torch.randn(1, 2, 4, requires_grad=True)
    loss = LabelSmoothingLoss()(logits, torch.zeros(1, 2, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_the_average_of_checkpoints():
    states = [{"a": torch.full((2,), float(i)), "b": torch.tensor([i])} for i in (1, 2, 6)]
    mean = average_checkpoints(states)
    assert mean["a"].tolist() == [3.0, 3.0]
    assert mean["b"].dtype == torch.int64


def test_what_counts_has_no_mean_and_is_the_last_ones():
    counts = [{"steps": torch.tensor(i), "on": torch.tensor(i > 1)} for i in (2, 1)]
    mean = average_checkpoints(counts)
    assert mean == {"steps": torch.tensor(1), "on": torch.tensor(False)}
    mean["steps"] += 1
    assert counts[1]["steps"] == 1, "a mean shares no memory with what it was taken of"


pairs_of_lengths = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=40)


@settings(deadline=None)
@given(lengths=pairs_of_lengths, max_tokens=st.integers(12, 60), seed=st.integers(0, 5))
def test_batches_hold_each_pair_once_and_not_too_many_tokens(lengths, max_tokens, seed):
    pairs = [([1] * s, [1] * t) for s, t in lengths]
    batches = list(batch_by_tokens(pairs, max_tokens, torch.Generator().manual_seed(seed)))
    assert sorted(i for batch in batches for i in batch) == list(range(len(pairs)))
    for batch in batches:
        for side in (0, 1):
            assert len(batch) * max(len(pairs[i][side]) for i in batch) <= max_tokens


def test_batches_hold_sentences_of_similar_length():
    pairs = [([1] * (1 + i % 20), [1] * (1 + i % 20)) for i in range(2000)]
    batches = list(batch_by_tokens(pairs, 200))
    padded = sum(len(b) * max(len(pairs[i][0]) for i in b) for b in batches)
    assert padded < 1.05 * sum(len(src) for src, _ in pairs)
    firsts = [len(pairs[batch[0]][0]) for batch in batches]
    assert firsts != sorted(firsts)  # their order is not by length


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noam_lr(0, 512), "step must be at least 1, got 0"),
        (lambda: noam_lr(1, 512, 0), "warmup must be at least 1, got 0"),
        (lambda: noam_lr(math.nan, 512), "step must be at least 1, got nan"),
        (lambda: LabelSmoothingLoss(1.0), r"eps must be in \[0, 1\), got 1.0"),
        (lambda: LabelSmoothingLoss(spread="none"), "spread must be .*'none'"),
        (
            lambda: LabelSmoothingLoss()(torch.zeros(2, 3, 5), torch.ones(3, 2, dtype=torch.long)),
            r"target must have shape \(2, 3\), .* got \(3, 2\)",
        ),
        (
            lambda: LabelSmoothingLoss()(torch.zeros(2, 3, 5), torch.ones(6, dtype=torch.long)),
            r"target must have shape \(2, 3\), .* got \(6,\)",
        ),
        (
            lambda: LabelSmoothingLoss(spread="others")(torch.zeros(2, 1), torch.zeros(2).long()),
            "at least two classes, got V=1",
        ),
        (lambda: average_checkpoints([]), "at least one state dict"),
        (
            lambda: average_checkpoints([{"a": torch.ones(1)}, {"a": torch.ones(2)}]),
            r"states\[1\] has other names or shapes",
        ),
        (lambda: list(batch_by_tokens([([1], [1] * 9)], 8)), r"pairs\[0\] has 9 tokens"),
        (lambda: list(batch_by_tokens([], 0)), "max_tokens must be at least 1, got 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
