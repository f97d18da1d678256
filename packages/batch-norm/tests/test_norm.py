"""Algorithm 1, its gradient, and what is said of it; bad input."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lessons.batch_norm import (
    BatchNorm,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchNormFunction,
    batch_norm,
    batch_norm_reference,
    paper_gradients,
)

SHAPES = [(5, 3), (4, 3, 2), (2, 3, 2, 3), (2, 3, 2, 2, 2)]


def draw(*shape, seed=0, **options):
    """Return normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64, **options)


def test_normalized_values_have_mean_0_and_mean_square_1():
    y = batch_norm(3 * draw(50, 4) + 7, training=True, eps=1e-12)
    torch.testing.assert_close(y.mean(0), torch.zeros(4).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close((y**2).mean(0), torch.ones(4).double(), atol=1e-9, rtol=0)


def test_the_identity_can_be_learned():
    x = 3 * draw(20, 4) + 7  # §3: γ = √Var[x], β = E[x]
    gain, bias = (x.var(0, correction=0) + 1e-5).sqrt(), x.mean(0)
    torch.testing.assert_close(batch_norm(x, None, None, gain, bias, True), x)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 5), st.integers(1, 4), st.lists(st.integers(1, 3), max_size=3),
    st.integers(0, 99), st.booleans(), st.floats(0, 1), st.sampled_from([1e-5, 1e-3, 1.0]),
)  # fmt: skip
def test_the_kernel_equals_the_specification(n, c, more, seed, training, momentum, eps):
    x = draw(n, c, *more, seed=seed)
    weight, bias, mean = draw(c, seed=1), draw(c, seed=2), draw(c, seed=3)
    var = draw(c, seed=4) ** 2
    kept = [(mean.clone(), var.clone()) for _ in range(2)]
    ys = [
        f(x, *running, weight, bias, training, momentum, eps)
        for f, running in zip((batch_norm, batch_norm_reference), kept)
    ]
    torch.testing.assert_close(*ys)
    torch.testing.assert_close(*kept)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_written_gradient_is_right_and_can_be_differentiated(shape):
    inputs = (draw(*shape), draw(3, seed=1), draw(3, seed=2))
    inputs = tuple(t.requires_grad_() for t in inputs)

    def function(x, weight, bias):
        return BatchNormFunction.apply(x, weight, bias, 1e-3)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_kernels_gradient_can_be_differentiated(shape):
    inputs = (draw(*shape), draw(3, seed=1), draw(3, seed=2))
    inputs = tuple(t.requires_grad_() for t in inputs)
    assert torch.autograd.gradgradcheck(
        lambda x, w, b: batch_norm(x, None, None, w, b, True), inputs
    )


def test_the_six_formulas_equal_the_simplified_one():
    x, dy, weight, bias = draw(9, 4), draw(9, 4, seed=1), draw(4, seed=2), draw(4, seed=3)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    for function in (
        lambda: BatchNormFunction.apply(x, weight, bias, 1e-5),
        lambda: batch_norm(x, None, None, weight, bias, True),
    ):
        wanted = torch.autograd.grad((function() * dy).sum(), leaves)
        torch.testing.assert_close(paper_gradients(x, dy, weight), wanted, rtol=1e-12, atol=1e-12)


def test_the_gradient_by_x_has_no_component_along_1_and_along_the_normalized_values():
    x = draw(30, 4).requires_grad_()
    y = batch_norm(x, training=True, eps=1e-14)
    (dx,) = torch.autograd.grad((y * draw(30, 4, seed=1)).sum(), x)
    assert dx.sum(0).abs().max() < 1e-12
    assert (dx * y.detach()).sum(0).abs().max() < 1e-9


def test_normalizing_uses_1_over_m_and_the_running_variance_1_over_m_minus_1():
    x = torch.tensor([[0.0], [2.0]])
    norm = BatchNorm1d(1, momentum=1.0)
    torch.testing.assert_close(norm(x), torch.tensor([[-1.0], [1.0]]), atol=1e-4, rtol=0)
    assert norm.running_var.item() == 2  # and not 1
    norm = BatchNorm2d(1, momentum=1.0)
    pixels = draw(2, 1, 3, 4).float()
    norm(pixels)  # §3.2: m′ = m · p · q
    torch.testing.assert_close(norm.running_var[0], pixels.var())


def test_running_statistics_lag_by_the_powers_of_the_momentum():
    for steps, lag in ((20, 0.12), (100, 2.7e-5)):
        norm = BatchNorm1d(1)
        for _ in range(steps):
            norm(torch.tensor([[9.0], [11.0]]))
        assert 1 - norm.running_mean.item() / 10 == pytest.approx(lag, rel=0.1, abs=2e-6)


def test_without_momentum_all_batches_weigh_the_same():
    norm, batches = BatchNorm1d(3, momentum=None).double(), draw(7, 5, 3)
    for batch in batches:
        norm(batch)
    torch.testing.assert_close(norm.running_mean, batches.mean((0, 1)))
    torch.testing.assert_close(norm.running_var, batches.var(1).mean(0))


def test_a_bias_before_the_norm_has_no_effect_and_no_gradient():
    x, bias = draw(9, 4), draw(4, seed=1).requires_grad_()
    y = batch_norm(x + bias, training=True)
    torch.testing.assert_close(y, batch_norm(x, training=True))
    (gradient,) = torch.autograd.grad((y**3).sum(), bias)
    assert gradient.abs().max() < 1e-12


def test_weights_before_the_norm_are_orthogonal_to_their_gradient_and_only_grow():
    u, dy = draw(20, 5), draw(20, 4, seed=1)
    weight = draw(5, 4, seed=2).requires_grad_()
    y = batch_norm(u @ weight, training=True, eps=1e-300)
    (gradient,) = torch.autograd.grad((y * dy).sum(), weight)
    assert (weight * gradient).sum(0).abs().max() < 1e-12  # for each unit by itself
    stepped = weight - 0.1 * gradient
    grown = stepped.square().sum() - weight.square().sum()
    torch.testing.assert_close(grown, 0.01 * gradient.square().sum())


def test_dropout_before_the_norm_raises_its_variance_in_training():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200_000, generator=generator) + 2
    kept = (torch.rand(x.shape, generator=generator) < 0.6) / 0.6 * x
    # E[x²]/(1 − p) − E[x]² = 5/.6 − 4, against 1 in evaluation
    assert kept.var().item() == pytest.approx(5 / 0.6 - 4, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_inputs_get_wide_statistics(dtype):
    x = (1000 * draw(64, 3) + 300).to(dtype)  # x² is beyond float16
    norm = BatchNorm1d(3, momentum=1.0)
    y = norm(x)
    assert y.dtype == dtype
    assert norm.running_var.dtype == torch.float32
    torch.testing.assert_close(norm.running_var, x.float().var(0), rtol=1e-3, atol=0)
    torch.testing.assert_close(y, batch_norm_reference(x, training=True), rtol=0.02, atol=0.02)


def test_autocast_keeps_statistics_in_float32():
    net = nn.Sequential(nn.Linear(5, 3), BatchNorm1d(3))
    with torch.autocast("cpu", torch.bfloat16):
        y = net(torch.randn(8, 5))
    assert y.dtype == torch.bfloat16
    assert net[1].running_mean.dtype == torch.float32
    y.float().pow(2).sum().backward()
    assert net[1].weight.grad.dtype == torch.float32


def test_channels_last_stays_and_gives_the_same():
    x = torch.randn(3, 4, 5, 6)
    y = BatchNorm2d(4)(x.to(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(y.contiguous(), BatchNorm2d(4)(x))


@pytest.mark.parametrize("options", [{}, {"momentum": None}], ids=str)
def test_compiles_in_one_graph(options):
    norm, twin = BatchNorm2d(3, **options), BatchNorm2d(3, **options)
    compiled = torch.compile(norm, fullgraph=True, backend="aot_eager")
    for _ in range(3):
        x = torch.randn(2, 3, 4, 4)
        torch.testing.assert_close(compiled(x), twin(x))
    for mine, wanted in zip(norm.buffers(), twin.buffers()):
        torch.testing.assert_close(mine, wanted)
    torch.testing.assert_close(compiled.eval()(x), twin.eval()(x))


def test_meta_has_shapes_and_loads_by_assignment():
    norm = BatchNorm3d(3, device="meta")
    assert norm(torch.empty(2, 3, 4, 4, 4, device="meta")).shape == (2, 3, 4, 4, 4)
    norm.load_state_dict(BatchNorm3d(3).state_dict(), assign=True)
    assert norm(torch.randn(2, 3, 4, 4, 4)).isfinite().all()


def test_old_checkpoints_have_no_counter():
    state = BatchNorm1d(2).state_dict()
    del state["num_batches_tracked"]
    norm = BatchNorm1d(2)
    norm.load_state_dict(state)
    assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_a_state_dict_with_an_impossible_variance_is_refused_by_name(bad):
    net = nn.Sequential(nn.Linear(2, 2), BatchNorm1d(2))
    state = net.state_dict()
    state["1.running_var"] = torch.tensor([1.0, bad])
    with pytest.raises(ValueError, match=r"1\.running_var must be at least 0"):
        net.load_state_dict(state)


def test_evaluation_by_the_batch_warns():
    norm = BatchNorm1d(2, track_running_stats=False)
    with pytest.warns(UserWarning, match="depends on the others"):
        norm.eval()
    x = torch.randn(4, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(norm(x), batch_norm(x, training=True))


@pytest.mark.parametrize(("call", "kind", "message"), [
    (lambda: BatchNorm2d(3)(torch.ones(1, 3, 1, 1)), ValueError,
     r"more than 1 value per channel.*\(1, 3, 1, 1\)"),
    (lambda: BatchNorm2d(3)(torch.ones(2, 3)), ValueError, r"of 4 dimensions, is \(2, 3\)"),
    (lambda: BatchNorm1d(3)(torch.ones(2, 4)), ValueError, r"\(N, 3, …\).*is \(2, 4\)"),
    (lambda: BatchNorm(3)(torch.ones(3)), ValueError, r"2 or more dimensions, is \(3,\)"),
    (lambda: BatchNorm1d(3)(torch.ones(2, 3, dtype=torch.int64)), TypeError, "torch.int64"),
    (lambda: BatchNorm1d(0), ValueError, "num_features must be at least 1, got 0"),
    (lambda: BatchNorm1d(3, eps=0), ValueError, "eps must be greater than 0, got 0"),
    (lambda: BatchNorm1d(3, momentum=1.1), ValueError, r"momentum must be in \[0, 1\].*1.1"),
    (lambda: batch_norm(torch.ones(2, 3)), ValueError, "running_mean and running_var"),
    (lambda: batch_norm_reference(torch.ones(2, 3)), ValueError, "running_mean and running_var"),
])  # fmt: skip
def test_bad_input_is_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_batch_of_none_comes_back_and_leaves_the_statistics(momentum):
    norm = BatchNorm2d(3, momentum=momentum)
    norm(torch.randn(4, 3, 2, 2))
    before = norm.running_mean.clone(), norm.running_var.clone()
    assert norm(torch.ones(0, 3, 2, 2)).shape == (0, 3, 2, 2)
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])
    assert batch_norm_reference(torch.ones(0, 3), *before, training=True).shape == (0, 3)
    assert torch.equal(norm.running_var, before[1])
    apart = BatchNorm2d(3, track_running_stats=False)
    with pytest.warns(UserWarning, match="depends on the others"):
        assert apart.eval()(torch.ones(0, 3, 2, 2)).shape == (0, 3, 2, 2)


def test_torchs_tools_know_our_norms():
    batches = [torch.randn(8, 3) + 10 for _ in range(4)]
    ours, torchs = nn.Sequential(BatchNorm1d(3)), nn.Sequential(nn.BatchNorm1d(3))
    for net in (ours, torchs):
        torch.optim.swa_utils.update_bn(batches, net)
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())
    assert ours[0].running_mean.min() > 9
    assert ours[0].momentum == 0.1
    sync = nn.SyncBatchNorm.convert_sync_batchnorm(ours)
    assert isinstance(sync[0], nn.SyncBatchNorm)
    torch.testing.assert_close(sync.eval()(batches[0]), torchs.eval()(batches[0]))
