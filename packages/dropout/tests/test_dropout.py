"""Dropout: its mask, mean, variance and gradient; where it runs; bad input."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lessons.dropout import (
    DropConnect,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    DropPath,
    GaussianDropout,
    LockedDropout,
    MaskFunction,
    dropout,
    dropout_reference,
    embedding_dropout,
    keep_mask,
)

MANY = 1 << 20


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.3, 0.5, 0.9, 0.999])  # 16, 8 and torch's bits
def test_units_are_kept_with_probability_one_minus_p(p):
    mask = keep_mask((MANY,), p, generator=seeded())
    assert mask.unique().tolist() == [0, 1]
    error = (p * (1 - p) / MANY) ** 0.5
    assert abs(mask.double().mean().item() - (1 - p)) < 5 * error


@pytest.mark.parametrize("p", [0.3, 0.5])
def test_neighbours_in_a_mask_know_nothing_of_each_other(p):
    # Four or eight of them come from one random word.
    mask = keep_mask((MANY,), p, generator=seeded(1)).double() - (1 - p)
    for shift in (1, 2, 3, 4, 7, 8):
        correlation = (mask[shift:] * mask[:-shift]).mean().item() / (p * (1 - p))
        assert abs(correlation) < 5 / MANY**0.5, shift


def test_the_probability_is_off_by_at_most_two_to_the_minus_17():
    for p in torch.linspace(2**-8, 1 - 2**-8, 1000, dtype=torch.float64).tolist():
        assert abs(round((1 - p) * 2**16) / 2**16 - (1 - p)) <= 2**-17
    # Eight bits only where they are exact: three quarters of 256 is whole.
    assert (1 - 0.25) * 256 == 192


@pytest.mark.parametrize("size", [(3, 1000), (7, 5, 99), (2049,), (5,)])
@pytest.mark.parametrize("p", [0.3, 0.5])
def test_the_fast_path_is_the_specification(size, p):
    x = torch.randn(size, generator=seeded(), dtype=torch.float64)
    keep = keep_mask(size, p, generator=seeded(1))
    y = dropout(x, p, generator=seeded(1))
    torch.testing.assert_close(y, dropout_reference(x, keep, p), rtol=1e-15, atol=0)
    assert torch.equal(dropout(x.clone(), p, inplace=True, generator=seeded(1)), y)


def test_mean_and_variance_of_inverted_dropout():
    for p, variance in ((0.5, 1.0), (0.2, 1 / 4), (0.1, 1 / 9)):  # §10: (1 − q)/q, q = 1 − p
        for noise in ("bernoulli", "gaussian"):
            x = torch.ones(MANY, dtype=torch.float64)
            y = dropout(x, p, noise=noise, generator=seeded())
            assert abs(y.mean().item() - 1) < 5 * (variance / MANY) ** 0.5
            assert abs(y.var().item() / variance - 1) < 0.02


def test_the_papers_mode_scales_in_evaluation_instead():
    x = torch.randn(40, 100, generator=seeded())
    trained = dropout(x, 0.3, mode="paper", generator=seeded(1))
    assert torch.equal(trained[trained != 0], x[trained != 0])
    assert torch.equal(dropout(x, 0.3, training=False, mode="paper"), x * 0.7)
    layer = Dropout(0.3, mode="paper").eval()
    assert torch.equal(layer(x), x * 0.7)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("size", [(4, 6), (60, 50)])
def test_the_gradient_by_hand_is_right_and_can_be_differentiated_again(size, p):
    x = torch.randn(size, generator=seeded(), dtype=torch.float64).requires_grad_()
    mask = keep_mask(size, p, generator=seeded(1))
    scale = 1.0 if p == 1 else 1 / (1 - p)
    y = MaskFunction.apply(x, mask, scale)
    (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert torch.equal(dx, mask.double() * scale)
    if x.numel() < 100:
        assert torch.autograd.gradcheck(lambda x: MaskFunction.apply(x, mask, scale), x)
        assert torch.autograd.gradgradcheck(lambda x: MaskFunction.apply(x, mask, scale), x)
    y = dropout(x, p, generator=seeded(1))
    (dx,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(dx * x, y)  # linear in x


def test_the_whole_function_passes_gradcheck_where_it_takes_the_fast_path():
    x = torch.randn(3, 5, dtype=torch.float64, generator=seeded()).requires_grad_()
    for options in ({}, {"noise": "gaussian"}, {"mode": "paper"}, {"shape": (3, 1)}):

        def call(x, options=options):
            return dropout(x, 0.4, generator=seeded(2), **options)

        assert torch.autograd.gradcheck(call, x)
        assert torch.autograd.gradgradcheck(call, x)


def test_a_mask_for_each_case():  # §5.1
    y = dropout(torch.ones(100, 100), 0.5, generator=seeded())
    assert len(y.unique(dim=0)) == 100


def test_everything_is_dropped_at_one_and_nothing_at_zero():
    x = torch.randn(50, 50)
    assert not dropout(x, 1.0).any()
    assert dropout(x, 0.0) is x
    assert dropout(x, 0.7, training=False) is x


@given(st.floats(0, 1), st.integers(0, 3), st.booleans())
def test_any_probability_and_size_keeps_scaled_values_or_zeros(p, dims, paper):
    x = torch.rand((3, 70, 11)[:dims], generator=seeded()) + 1
    y = dropout(x, p, mode="paper" if paper else "inverted")
    scale = 1 if paper or p == 1 else 1 / (1 - p)
    assert ((y == 0) | ((y / (x * scale) - 1).abs() < 1e-5)).all()


@pytest.mark.parametrize(
    ("make", "size", "alike"),
    [
        (Dropout1d, (300, 40, 5), (2,)),
        (Dropout1d, (900, 5), (1,)),
        (Dropout2d, (90, 40, 3, 4), (2, 3)),
        (Dropout2d, (90, 40, 4), (2,)),
        (Dropout3d, (90, 40, 2, 3, 4), (2, 3, 4)),
        (DropPath, (900, 3, 4), (1, 2)),
        (LockedDropout, (30, 6, 100), (1,)),
    ],
)
def test_whole_channels_branches_or_sequences_are_dropped(make, size, alike):
    y = make(0.5, generator=seeded())(torch.ones(size))
    assert (y.amax(alike) == y.amin(alike)).all()
    assert 0.4 < (y != 0).float().mean() < 0.6
    assert set(y.unique().tolist()) == {0.0, 2.0}


def test_later_relatives():
    layer = DropConnect(200, 100, 0.5, bias=False)
    x = torch.eye(200)
    kept = layer(x).T
    assert torch.equal(kept[kept != 0], 2 * layer.weight[kept != 0])
    assert torch.equal(layer.eval()(x).T, layer.weight)
    words = torch.tensor([[3, 5, 3], [5, 5, 7]])
    y = embedding_dropout(words, torch.ones(9, 4), 0.5, generator=seeded())
    assert torch.equal(y[0, 0], y[0, 2])
    assert torch.equal(y[0, 1], y[1, 0])
    assert set(y.unique().tolist()) <= {0.0, 2.0}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_dtypes_are_kept(dtype):
    x = torch.ones(100, 100, dtype=dtype)
    y = dropout(x, 0.5)
    assert y.dtype is dtype
    assert (y.real.unique() == torch.tensor([0, 2])).all()


def test_autocast_meta_and_compile():
    net = nn.Sequential(nn.Linear(40, 100), Dropout(0.4))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(torch.randn(60, 40))
    assert y.dtype is torch.bfloat16
    y.float().sum().backward()
    y = Dropout(0.4)(torch.empty(100, 100, device="meta", requires_grad=True))
    assert y.shape == (100, 100)
    for layer in (Dropout(0.5), Dropout2d(0.5), GaussianDropout(0.5), Dropout(0.5, mode="paper")):
        x = torch.ones(20, 10, 4, 4, requires_grad=True)
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
        y = compiled(x)
        (dx,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(dx, y.detach())  # x is 1
        assert y.unique().numel() > 1
        layer.eval()
        assert torch.equal(torch.compile(layer, fullgraph=True, backend="aot_eager")(x), layer(x))


def test_transforms_of_torch_func():
    x = torch.randn(50, 60)
    dx = torch.func.grad(lambda x: dropout(x, 0.5, generator=seeded()).sum())(x)
    assert set(dx.unique().tolist()) == {0.0, 2.0}


def test_checkpoints_replay_the_mask():
    from torch.utils.checkpoint import checkpoint

    x = torch.randn(100, 100, requires_grad=True)
    y = checkpoint(lambda x: dropout(x, 0.5), x, use_reentrant=False)
    (dx,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(dx * x, y)


@pytest.mark.parametrize("n", [10, 100])
def test_a_mask_that_a_checkpoint_cannot_replay_is_told(n):
    from torch.utils.checkpoint import checkpoint

    x, generator = torch.randn(n, n, requires_grad=True), seeded()
    y = checkpoint(lambda x: dropout(x, 0.5, generator=generator).exp(), x, use_reentrant=False)
    with pytest.warns(UserWarning, match="checkpointing replays torch's own random numbers only"):
        y.sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # without one there is nothing to tell
        dropout(x, 0.5, generator=generator).exp().sum().backward()


def test_it_leaves_no_trace_in_a_state_dict():
    ours = nn.Sequential(nn.Linear(3, 4), Dropout(0.2), nn.Linear(4, 2))
    theirs = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 2))
    theirs.load_state_dict(ours.state_dict(), strict=True)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: dropout(torch.ones(3), 1.2), ValueError, "probability of dropping.*1.2"),
        (lambda: dropout(torch.ones(3), -0.1), ValueError, "probability of dropping.*-0.1"),
        (lambda: Dropout(float("nan")), ValueError, "probability of dropping.*nan"),
        (lambda: dropout(torch.ones(3).long(), 0.5), TypeError, "int64"),
        (lambda: GaussianDropout(1.0), ValueError, "gaussian"),
        (lambda: dropout(torch.ones(3, 4), shape=(2, 1)), ValueError, r"\(2, 1\).*\(3, 4\)"),
        (lambda: dropout(torch.ones(3), mode="test"), ValueError, "mode.*'test'"),
        (lambda: dropout(torch.ones(3), noise="cauchy"), ValueError, "noise.*'cauchy'"),
        (lambda: Dropout1d()(torch.ones(3)), ValueError, r"Dropout1d.*\(3,\)"),
        (lambda: LockedDropout()(torch.ones(3, 4)), ValueError, r"\(3, 4\)"),
        (lambda: DropConnect(3, 4, 2.0), ValueError, "2.0"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_generator_on_another_device():
    x = torch.empty(3, device="meta")
    with pytest.raises(ValueError, match="generator is on cpu, and x on meta"):
        dropout(x, generator=seeded())


def test_writing_over_a_leaf_is_refused_by_autograd():
    for p in (0.3, 0.5):
        with pytest.raises(RuntimeError, match="leaf"):
            dropout(torch.ones(100, 100, requires_grad=True), p, inplace=True)
