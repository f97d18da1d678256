"""The default path for many numbers: equal to the specification, and in torch's place."""

import math
import sys
import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

from lessons.gelu import GELU, QuickGELU, gated, gelu
from lessons.gelu import blocks as blocks_module
from lessons.gelu.blocks import BLOCK, MANY, layout, suits
from lessons.gelu.gates import SLOPE
from lessons.gelu.pages import LARGE, MADVISE, fresh_like

FORMS, REAL = sorted(MANY), dict(MANY)
FORM = pytest.mark.parametrize("form", FORMS)
# Largest errors of value and gradient for numbers up to 9: a few units in the last place of 9, and
# for the gradient of x times that of the gate.
TOLERANCE = {"none": (6e-7, 6e-7), "tanh": (8e-7, 3e-6), "sigmoid": (2e-6, 1.5e-6)}


def numbers(*shape, seed=0, dtype=torch.float32):
    """Return numbers from −9 to 9, in random order."""
    x = torch.linspace(-9, 9, math.prod(shape), dtype=dtype)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return x[order].view(shape)


def torchs(x, form):
    """Return what torch offers for a form."""
    return F.silu(x * SLOPE) / SLOPE if form == "sigmoid" else F.gelu(x, approximate=form)


def with_gradient(f, x, dy):
    x = x.detach().requires_grad_()
    y = f(x)
    return y.detach(), torch.autograd.grad(y, x, dy)[0]


def readable(x, dy, form):
    """Return value and gradient of the specification in float64."""
    return with_gradient(lambda x: gated(x, 0.0, 1.0, form), x.double(), dy.double())


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Let tests be short: few numbers are many, in blocks of fewer, and none of a round size."""
    monkeypatch.setattr(blocks_module, "BLOCK", 999)
    for form in MANY:
        monkeypatch.setitem(MANY, form, 5001)


@pytest.fixture
def compiler():
    """Leave no compiled code behind: torch counts how often it compiles a function anew."""
    yield torch.compile
    torch.compiler.reset()


@pytest.fixture
def calls(monkeypatch):
    """Count how often the path is taken, for values and for gradients."""
    seen = {"value": 0, "pulled_back": 0}

    def counted(name, f):
        def call(*args):
            seen[name] += 1
            return f(*args)

        return call

    for name in seen:
        monkeypatch.setattr(blocks_module, name, counted(name, getattr(blocks_module, name)))
    return seen


@pytest.mark.parametrize("more", [-1, 0, BLOCK + 7])
@FORM
def test_on_both_sides_of_the_threshold_it_is_the_specification(form, more, calls, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK", BLOCK)
    monkeypatch.setitem(MANY, form, REAL[form])
    x, dy = torch.linspace(-9, 9, REAL[form] + more), torch.linspace(-1, 1, REAL[form] + more)
    if form == "none":  # millions of numbers: compared with torch's
        want, tolerances = with_gradient(F.gelu, x, dy), (1e-30, 1e-30)
    else:
        want, tolerances = readable(x, dy, form), TOLERANCE[form]
    layer = QuickGELU() if form == "sigmoid" else GELU(form)
    for f in (lambda x: gelu(x, form), layer):
        for got, true, tolerance in zip(with_gradient(f, x, dy), want, tolerances):
            assert (got - true).abs().max() < tolerance
    assert calls == dict.fromkeys(calls, 2 if more >= 0 else 0)


def test_the_exact_form_is_torchs_to_the_bit():
    x, dy = numbers(MANY["none"] + 5), numbers(MANY["none"] + 5, seed=1)
    assert suits(x, "none")
    for got, want in zip(with_gradient(gelu, x, dy), with_gradient(F.gelu, x, dy), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("form", ["tanh", "sigmoid"])
def test_how_exact_it_is(form):
    x = torch.linspace(-9, 9, 8 * MANY[form])
    want, slope = readable(x, torch.ones_like(x), form)
    got = with_gradient(lambda x: gelu(x, form), x, torch.ones_like(x))
    assert ((got[0] - want) / x).abs().max() < 2e-7
    assert ((got[0] - want) / want).abs().max() < 1e-5  # where the kernel has rounded to 0, too
    assert (got[1] - slope).abs().max() < 2e-6
    if form == "tanh":
        kernel = with_gradient(lambda x: torchs(x, form), x, torch.ones_like(x))
        assert 1e-7 < ((kernel[0] - want) / x).abs().max() < 2e-7
        assert 9e-7 < (kernel[1] - slope).abs().max() < 1.5e-6
        assert not kernel[0][x < -5.1].any()


@FORM
def test_it_goes_to_infinity_as_torch(form):
    far = [math.inf, -math.inf, math.nan, 1e12, -1e12, 1e16, -1e16, 1e30, -1e30, 0.0, -0.0, 1e-45]
    x = torch.tensor(far).repeat(MANY[form] // len(far) + 1)
    got = with_gradient(lambda x: gelu(x, form), x, torch.ones_like(x))
    want = with_gradient(lambda x: torchs(x, form), x, torch.ones_like(x))
    if form == "sigmoid":  # silu(cx)/c overflows sooner than x·σ(cx)
        want = gated(x, 0.0, 1.0, form), want[1]
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine[:12], theirs[:12], rtol=1e-6, atol=0, equal_nan=True)
    many = x.clamp(-1e16, 1e16).nan_to_num(0.0)  # blocks of numbers whose cubes overflow
    slope = with_gradient(lambda x: gelu(x, form), many, torch.ones_like(x))[1]
    wanted = torch.tensor([1, 0, 0.5, 1, 0, 1, 0, 1, 0, 0.5, 0.5, 0.5])
    assert torch.equal(slope[:12], wanted)


def views(n):
    """Yield (what, x): numbers in the layouts that nets have, n or a few more of them."""
    rows = -(-n // 48)
    x = numbers(rows, 48)
    yield "whole", x
    yield "one axis", x.view(-1)
    yield "transposed", numbers(48, rows).t()
    yield "channels_last", numbers(rows // 4 + 1, 12, 4, 4).to(memory_format=torch.channels_last)
    yield "turned round", numbers(4, rows, 12).permute(2, 0, 1)
    yield "one half of a projection", numbers(rows, 96).chunk(2, -1)[1]
    yield "… with more axes", numbers(2, rows // 2 + 1, 96)[..., 40:88]
    yield "… and one of size 1", numbers(rows, 1, 96)[..., :48].unsqueeze(-1)
    yield "another half", numbers(2, rows // 2 + 1, 2, 48)[:, :, 0]
    yield "beginning late", numbers(rows * 48 + 3)[3:]


@FORM
def test_strides_are_torchs(form, calls):
    count = 0
    for what, x in views(MANY[form]):
        count += 1
        assert suits(x, form), what
        order, view = layout(x)
        for tensor in (x, torch.empty_like(x)):
            tensor.permute(order).view(view)  # no copy is needed, or this is an error
        shape, other = x.shape, numbers(x.numel(), seed=1)
        directions = [torch.empty_like(x).copy_(other.view(shape)), torch.ones(()).expand(shape),
                      other.view(shape), other.view(shape[::-1]).permute(*range(x.ndim)[::-1])
                      ]  # fmt: skip
        for same, dy in zip((True, True, False, False), directions):
            got = with_gradient(lambda x: gelu(x, form), x, dy)
            theirs = with_gradient(lambda x: torchs(x, form), x, dy)
            assert got[0].stride() == theirs[0].stride(), what
            if same:  # else torch's gradient has dy's strides, and ours x's
                wanted = got[0] if form == "sigmoid" else theirs[1]
                assert got[1].stride() == wanted.stride(), what
            for mine, true, tolerance in zip(got, readable(x, dy, form), TOLERANCE[form]):
                assert (mine - true).abs().max() < 9 * tolerance, what
    assert calls == dict.fromkeys(calls, 4 * count)


@FORM
def test_what_has_gaps_or_overlaps_is_torchs(form, calls):
    n = MANY[form]
    many = numbers(n // 2 + 1, 8)
    for x in (
        many[:, ::2],
        many.view(-1)[:n].expand(2, n),
        many[:, :1].expand(-1, 48),
        many.as_strided((n, 3), (1, 1)),
        many.view(-1, 4, 2)[:, ::3],
        torch.stack([many, many])[:, :, 2:].transpose(0, 1)[:, :, ::3],
    ):
        assert x.numel() >= n
        assert layout(x) is None
        y = gelu(x, form)
        assert y.stride() == torchs(x, form).stride()
        torch.testing.assert_close(y, torchs(x, form), rtol=0, atol=2e-6)
    assert calls["value"] == 0


@FORM
def test_other_tensors_fall_to_the_kernel(form, calls):
    n = MANY[form]

    class Named(torch.Tensor):
        pass

    x = numbers(n)
    for other in (x.double(), x.half(), x.bfloat16(), x.to("meta"), x.as_subclass(Named), x[:0]):
        y = gelu(other, form)
        assert (type(y), y.dtype, y.shape) == (type(other), other.dtype, other.shape)
    if form != "sigmoid":
        nested = torch.nested.nested_tensor([x, x[:5]])
        assert torch.equal(gelu(nested, form).unbind()[1], F.gelu(x[:5], approximate=form))
    assert not suits(x.to_mkldnn(), form)
    assert calls["value"] == 0
    assert gelu(nn.Parameter(x), form).shape == (n,)
    assert calls["value"] == 1


@FORM
def test_second_and_third_derivatives(form, calls):
    x = numbers(MANY[form]).clamp(-5, 5)
    dy, ddx = numbers(2, MANY[form], seed=1) / 9

    def derivatives(f, x, dy, ddx):
        x, dy = x.detach().requires_grad_(), dy.clone().requires_grad_()
        (dx,) = torch.autograd.grad(f(x), x, dy, create_graph=True)
        second = torch.autograd.grad(dx, (x, dy), ddx, create_graph=True)
        (third,) = torch.autograd.grad(second[0].sum(), x)
        return [dx, *second, third]

    got = derivatives(lambda x: gelu(x, form), x, dy, ddx)
    want = derivatives(lambda x: gated(x, 0.0, 1.0, form), *[t.double() for t in (x, dy, ddx)])
    assert calls == {"value": 1, "pulled_back": 0}  # what is differentiated again is `GATES`'
    for a, b, tolerance in zip(got, want, (4e-6, 1e-5, 4e-6, 1e-4), strict=True):
        assert (a - b).abs().max() < tolerance


@FORM
def test_torch_func_and_forward_derivatives(form):
    x, dx = numbers(2, MANY[form]).clamp(-5, 5)

    def mine(x):
        return gelu(x, form)

    def theirs(x):  # torch's silu has no derivative forwards of its gradient
        return gated(x, 0.0, 1.0, form) if form == "sigmoid" else torchs(x, form)

    def results(f):
        yield from torch.func.jvp(f, (x,), (dx,))
        yield torch.func.vmap(f)(torch.stack([x, dx]))
        yield torch.func.grad(lambda x: f(x).square().sum())(x)
        yield torch.func.vmap(torch.func.grad(lambda x: f(x).sum()))(torch.stack([x, dx]))
        yield from torch.func.jvp(torch.func.grad(lambda x: f(x).sum()), (x,), (dx,))
        with forward_ad.dual_level():
            yield from forward_ad.unpack_dual(f(forward_ad.make_dual(x, dx)))
            leaf = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(f(leaf), leaf, forward_ad.make_dual(dx, dx))
            yield from forward_ad.unpack_dual(gradient)
        leaf = x.clone().requires_grad_()
        both = torch.stack([x, dx])
        yield torch.autograd.grad(f(leaf), leaf, both, is_grads_batched=True)[0]

    for got, want in zip(list(results(mine)), list(results(theirs)), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-5, atol=5e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated")
@FORM
def test_what_traces_sees_torchs_function(form, calls, compiler):
    x = numbers(MANY[form] // 64 + 1, 64)
    layer = GELU(form)
    traces = []

    def backend(graph, _):
        traces.append(graph)
        return graph.forward

    want = gelu(x, form, method="kernel")
    compiled = compiler(layer, fullgraph=True, backend=backend, dynamic=True)
    assert torch.equal(compiled(x), want)
    dynamic = ({0: torch.export.Dim("batch", min=2)},)
    program = torch.export.export(layer, (x[:3],), dynamic_shapes=dynamic)
    traces.append(program.graph_module)
    assert torch.equal(program.module()(x), want)
    traces.append(make_fx(layer, tracing_mode="real")(x))
    traces.append(make_fx(layer, tracing_mode="symbolic")(x))
    for trace in traces:
        names = " ".join(str(node.target) for node in trace.graph.nodes)
        assert "gelu" in names or "silu" in names
        assert not any(word in names for word in ("addcmul", ".out", "split", "empty"))
    assert torch.equal(torch.jit.trace(layer, x, check_trace=False)(x[:100]), want[:100])
    assert calls["value"] == 0
    traced = torch.fx.symbolic_trace(nn.Sequential(layer))
    assert torch.equal(traced(x), gelu(x, form))  # one node, which is this function
    assert calls["value"] == 2


@FORM
def test_a_compiled_net_differentiates_a_layer_outside_of_it(form, compiler):
    x = numbers(MANY[form] // 64 + 1, 64).requires_grad_()
    weight = torch.full((64,), 0.5)
    scaled = compiler(lambda x: x * weight, backend="aot_eager")
    (gradient,) = torch.autograd.grad(scaled(gelu(scaled(x), form)).sum(), x)
    (want,) = torch.autograd.grad((gelu(x * weight, form, method="kernel") * weight).sum(), x)
    torch.testing.assert_close(gradient, want, rtol=1e-5, atol=2e-6)


@FORM
def test_one_tensor_is_kept_and_none_without_a_gradient(form):
    x = numbers(MANY[form], seed=2).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = gelu(x, form)
    assert [t.data_ptr() for t in kept] == [x.data_ptr()]
    assert y.requires_grad
    assert not gelu(x.detach(), form).requires_grad
    with torch.no_grad():
        assert not gelu(x, form).requires_grad
        assert torch.equal(gelu(x, form), y)
    with torch.inference_mode():
        assert gelu(x, form).is_inference()
    z = checkpoint(gelu, x, form, use_reentrant=False)
    assert torch.equal(*[torch.autograd.grad(out.sum(), x)[0] for out in (y, z)])


@FORM
def test_writing_over_the_result_is_allowed_and_over_the_input_noticed(form):
    x = numbers(MANY[form]).requires_grad_()
    y = gelu(x, form)
    y.mul_(2)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, 2 * torch.autograd.grad(gelu(x, form).sum(), x)[0])
    inner = x * 1
    y = gelu(inner, form)
    inner.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@FORM
def test_calls_share_no_memory_with_each_other_or_between_threads(form):
    inputs = [numbers(MANY[form] + 3, seed=seed) for seed in range(4)]
    want = [with_gradient(lambda x: gelu(x, form), x, x) for x in inputs]
    pointers = {t.data_ptr() for pair in want for t in pair}
    assert len(pointers) == 8
    wrong = []

    def work(i):
        for _ in range(5):
            got = with_gradient(lambda x: gelu(x, form), inputs[i], inputs[i])
            if not all(map(torch.equal, got, want[i])):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@FORM
def test_the_number_of_threads_changes_nothing(form):
    x = numbers(MANY[form] + 3)
    want = with_gradient(lambda x: gelu(x, form), x, x)
    torch.set_num_threads(2)
    try:
        got = with_gradient(lambda x: gelu(x, form), x, x)
    finally:
        torch.set_num_threads(1)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


def test_defaults_of_torch_change_nothing():
    x = numbers(MANY["tanh"])
    want = with_gradient(lambda x: gelu(x, "tanh"), x, x)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.autocast("cpu", torch.bfloat16):
            got = with_gradient(lambda x: gelu(x, "tanh"), x, x)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(map(torch.equal, got, want))


def flags(address):
    """Return what Linux knows of the mapping that an address is in."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = (line.split() or [""])[0]
        if "-" in first and not first.endswith(":"):
            low, high = (int(part, 16) for part in first.split("-"))
            inside = low <= address < high
        elif inside and first == "VmFlags:":
            return line.split()[1:]
    return []


def test_large_results_are_torchs_own_memory_in_large_pages():
    x = torch.empty(LARGE // 4, 4).t()  # four times large, so that a large page is inside
    y = fresh_like(x)
    assert (y.shape, y.stride(), y.dtype) == (x.shape, x.stride(), x.dtype)
    assert y.untyped_storage().resizable()
    assert fresh_like(x[:, :0]).shape == (4, 0)
    known = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if MADVISE is None or not known.exists() or "[never]" in known.read_text():
        pytest.skip("no large pages here")
    assert "hg" in flags(y.data_ptr() + y.nbytes // 2)


def test_without_large_pages_results_are_the_same(monkeypatch):
    monkeypatch.setattr("lessons.gelu.pages.LARGE", 4096)
    x = numbers(MANY["none"])
    want = gelu(x)
    monkeypatch.setattr("lessons.gelu.pages.MADVISE", None)
    assert torch.equal(gelu(x), want)
    monkeypatch.setattr(sys, "platform", "darwin")
    from lessons.gelu.pages import advice

    assert advice() is None
