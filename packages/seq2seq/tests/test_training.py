"""The recipe of §3.4: rates, batches, the gradient's norm; resuming; learning."""

import math

import pytest
import torch
from torch import nn

from lessons.seq2seq import (
    Seq2Seq,
    Seq2SeqConfig,
    clip_gradient,
    fit,
    greedy,
    halving_lr,
    length_batches,
)


def test_rates_are_halved_every_half_epoch():
    assert [halving_lr(e) for e in (0, 2.5, 4.99)] == [0.7] * 3
    late = [halving_lr(e) for e in (5.0, 5.5, 6.0, 6.5, 7.0, 7.49)]
    assert late == pytest.approx([0.35, 0.175, 0.0875, 0.04375, 0.021875, 0.021875])
    assert halving_lr(7.49, first=5.5) == pytest.approx(0.04375)


def test_a_gradient_of_more_than_5_is_scaled():
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])
    assert clip_gradient(weights) == pytest.approx(5.0)
    assert weights[1].grad.item() == 4.0
    weights[1].grad *= 3
    norm = clip_gradient(weights)
    assert norm == pytest.approx(math.sqrt(153))
    assert weights[1].grad.item() == pytest.approx(60 / norm)
    weights[0].grad[0] = math.nan
    with pytest.raises(RuntimeError, match="norm is nan"):
        clip_gradient(weights)


def test_batches_of_roughly_one_length_waste_half():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 61, (5120,), generator=generator).tolist()
    pairs = [((1,) * n, (1,) * n) for n in lengths]
    batches = list(length_batches(pairs, generator=generator))
    assert sorted(i for batch in batches for i in batch) == list(range(5120))
    assert {len(b) for b in batches} == {128}
    cost = sum(len(b) * max(lengths[i] for i in b) for b in batches)
    order = torch.randperm(5120, generator=generator).split(128)
    mixed = sum(len(b) * max(lengths[i] for i in b.tolist()) for b in order)
    assert mixed / cost > 1.8  # "yielding a 2x speedup"


SMALL = Seq2SeqConfig(9, 9, 12, 24, 1, peephole=False, init=None)
PAIRS = [([4 + a, 4 + b], [4 + b, 4 + a, 2]) for a in range(5) for b in range(5)] * 2


def made(seed=0):
    return Seq2Seq(SMALL, torch.Generator().manual_seed(seed))


def test_a_stopped_training_goes_on_where_it_was(tmp_path):
    whole = made()
    losses = fit(whole, PAIRS, 3, batch=8, lr=0.3)
    path, halted = tmp_path / "net.pt", made()

    def stop(step, loss, rate):
        if step == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(halted, PAIRS, 3, batch=8, lr=0.3, checkpoint=path, every=5, told=stop)
    again = made(7)
    assert fit(again, PAIRS, 3, batch=8, lr=0.3, checkpoint=path, every=5) == losses
    for a, b in zip(whole.parameters(), again.parameters()):
        assert torch.equal(a, b)
    assert [p.name for p in tmp_path.iterdir()] == ["net.pt"]


def test_it_learns_by_the_paper_s_recipe():
    net = made()
    losses = fit(net, PAIRS * 12, batch=10)  # 7.5 epochs of 60 steps, at 0.7 and then less
    assert losses[0] > 5
    assert losses[-1] < 0.5
    src = torch.tensor([pair[0] for pair in PAIRS[:25]])
    right = (greedy(net.eval(), src)[:, :2] == src.flip(1)).all(-1).float().mean()
    assert right > 0.9


def test_half_precision_computes_and_weights_stay():
    net = made()
    losses = fit(net, PAIRS, 1, batch=10, autocast=torch.bfloat16)
    assert all(math.isfinite(loss) for loss in losses)
    assert all(p.dtype == torch.float32 for p in net.parameters())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: halving_lr(-1), "epoch must not be negative"),
        (lambda: halving_lr(1, lr=0), "lr and every be positive"),
        (lambda: clip_gradient([], 0), "longest must be positive, got 0"),
        (lambda: list(length_batches([], 0)), "batch and batches must be at least 1, got 0"),
        (lambda: fit(made(), []), "pairs and epochs are needed, got 0"),
    ],
)
def test_settings_are_checked(call, words):
    with pytest.raises(ValueError, match=words):
        call()
