"""The papers' statements about the two networks: sizes, layers, outputs, replication; bad input."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lessons.cnn import (
    BLOCKS,
    C3_TABLE,
    DIGIT_CODES,
    PRESETS,
    LeNet5,
    LeNet5Config,
    MaxPool,
    PartialConv2d,
    RBFOutput,
    ScaledTanh,
    Subsample,
    ZipNet,
    conv2d,
    conv2d_gradients,
    count,
    fold,
    init_lecun,
    loss_signs,
    reject_at,
    rejection_curve,
    sdnn,
    windows,
)


def randn(*shape, seed=0, dtype=torch.double):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def seeded(make, *args, **kwargs):
    torch.manual_seed(0)
    return make(*args, **kwargs)


# The published counts

ZIP = {  # 1989: units, connections, parameters
    "h1": (768, 19_968, 1_068),
    "h2": (192, 38_592, 2_592),
    "h3": (30, 5_790, 5_790),
    "out": (10, 310, 310),
}
LENET = {  # 1998, §II-B: map size, connections, parameters
    "c1": (6 * 28**2, 122_304, 156),
    "s2": (6 * 14**2, 5_880, 12),
    "c3": (16 * 10**2, 151_600, 1_516),
    "s4": (16 * 5**2, 2_000, 32),
    "c5": (120, 48_120, 48_120),
    "f6": (84, 10_164, 10_164),
    "rbf": (10, 840, 0),
}


@pytest.mark.parametrize(("make", "size", "published"), [(ZipNet, 16, ZIP), (LeNet5, 32, LENET)])
def test_every_published_count_is_that_of_the_built_network(make, size, published):
    counts = count(seeded(make), size)
    assert {k: (c.units, c.connections, c.parameters) for k, c in counts.items()} == published


def test_the_published_totals():
    zips, lenet = count(seeded(ZipNet), 16).values(), count(seeded(LeNet5), 32).values()
    assert 16 * 16 + sum(c.units for c in zips) == 1_256
    assert sum(c.connections for c in zips) == 64_660
    assert sum(c.connections for c in lenet) == 340_908
    assert sum(c.multiply_adds for c in lenet) == 328_096


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (ZipNet, 9_760),
        (LeNet5, 60_000),
        (lambda: LeNet5.from_preset("lenet5_modern"), 61_706),
        (lambda: LeNet5(LeNet5Config(c3="full")), 60_900),
        (lambda: LeNet5(LeNet5Config(subsample="avg")), 59_956),
        (lambda: LeNet5(LeNet5Config(learnable_centers=True)), 60_840),
        (lambda: LeNet5(LeNet5Config(output="linear")), 60_850),
    ],
)
def test_parameters_are_exact_on_the_meta_device(make, parameters):
    with torch.device("meta"):
        net = make()
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert all(tensor.is_meta for tensor in net.state_dict().values())


def test_the_state_dict_has_the_papers_names_and_nothing_twice():
    shapes = {name: tuple(t.shape) for name, t in seeded(LeNet5).state_dict().items()}
    assert shapes == {
        "c1.weight": (6, 1, 5, 5), "c1.bias": (6,), "s2.coef": (6,), "s2.bias": (6,),
        "c3.weight": (60, 5, 5), "c3.bias": (16,), "s4.coef": (16,), "s4.bias": (16,),
        "c5.weight": (120, 16, 5, 5), "c5.bias": (120,),
        "f6.weight": (84, 120, 1, 1), "f6.bias": (84,), "rbf.centers": (10, 84),
    }  # fmt: skip


def test_table_1_has_sixty_entries_ten_for_each_map():
    assert sum(map(len, C3_TABLE)) == 60
    assert [sum(c in row for row in C3_TABLE) for c in range(6)] == [10] * 6
    assert len(set(C3_TABLE)) == 16


def test_each_map_of_h2_sees_8_maps_of_h1_and_each_of_those_is_seen_8_times():
    assert [len(set(row)) for row in BLOCKS] == [8] * 12
    assert [sum(c in row for row in BLOCKS) for c in range(12)] == [8] * 12


# The squashing function (eqs. 5 and 6, App. A)


def test_f_of_one_is_one_to_six_digits():
    f = ScaledTanh()
    one = torch.ones(1, dtype=torch.double)
    assert f(one).item() == pytest.approx(0.9999973, abs=5e-8)
    assert torch.equal(f(-one), -f(one))
    assert f(100 * one).item() == pytest.approx(1.7159)


def test_the_curvature_of_f_peaks_beside_one_not_at_one():
    a = torch.linspace(0.5, 1.5, 100_001, dtype=torch.double, requires_grad=True)
    (slope,) = torch.autograd.grad(ScaledTanh()(a).sum(), a, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), a)
    peak = a[bend.abs().argmax()].item()
    assert peak == pytest.approx(1.5 * math.atanh(1 / math.sqrt(3)), abs=1e-5)
    assert peak == pytest.approx(0.98772, abs=1e-5)


def test_gradients_of_the_layers():
    x = randn(2, 3, 6, 6).requires_grad_()
    layers = [
        ScaledTanh(), Subsample(3).double(), MaxPool(),
        seeded(PartialConv2d, 3, [[0], [0, 2], [1, 2]], 3).double(),
        seeded(PartialConv2d, 3, [[0], [1, 2]], 3, 2, (2, 2)).double(),
    ]  # fmt: skip
    for layer in layers:
        assert torch.autograd.gradcheck(layer, x)
    rbf, state = RBFOutput(DIGIT_CODES).double(), randn(3, 84).requires_grad_()
    target = torch.tensor([0, 4, 9])
    for loss in (rbf.loss_mse, rbf.loss_map):
        assert torch.autograd.gradcheck(lambda s, loss=loss: loss(rbf(s) / 100, target), state)


# Convolution


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4)
)
def test_a_convolution_moves_with_its_input(channels, out, height, width, by):
    # §II-A: if the input is shifted, the feature map is shifted by the same amount.
    x = randn(1, channels, 9, 9)
    weight = randn(out, channels, height, width, seed=1)
    whole = conv2d(x, weight)
    assert torch.allclose(conv2d(x[:, :, by:], weight), whole[:, :, by:], atol=1e-12)


def test_gradients_of_a_convolution_are_convolutions():
    x, weight = randn(2, 3, 7, 6).requires_grad_(), randn(4, 3, 3, 2, seed=1).requires_grad_()
    bias = randn(4, seed=2).requires_grad_()
    delta = randn(2, 4, 5, 5, seed=3)
    assert torch.autograd.gradcheck(conv2d, (x, weight, bias))
    expected = torch.autograd.grad(conv2d(x, weight, bias), (x, weight, bias), delta)
    for ours, theirs in zip(conv2d_gradients(x.detach(), weight.detach(), delta), expected):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_windows_copy_nothing():
    x = randn(1, 2, 8, 8)
    assert windows(x, (3, 3)).data_ptr() == x.data_ptr()


# The output (eqs. 7 to 9)


def test_the_codes_are_the_drawn_digits():
    rows = ["".join(" #"[int(v > 0)] for v in row) for row in DIGIT_CODES[7].view(12, 7).tolist()]
    assert rows[0] == "#######"
    assert [row.strip() for row in rows[7:10]] == ["##"] * 3
    assert set(rows[10:]) == {" " * 7}


def test_distances_between_the_codes():
    hamming = (DIGIT_CODES[:, None] != DIGIT_CODES).sum(-1)
    pairs = hamming[*torch.triu_indices(10, 10, 1)].double()
    assert pairs.min() == 12 == hamming[6, 8]
    assert pairs.mean().item() == pytest.approx(31.1, abs=0.05)
    euclid = 2 * pairs.sqrt()
    assert euclid.min().item() == pytest.approx(6.93, abs=0.005)
    assert euclid.mean().item() == pytest.approx(11.04, abs=0.005)


def test_the_winner_is_the_class_of_least_penalty():
    rbf = RBFOutput()
    assert torch.equal(rbf(DIGIT_CODES).argmin(1), torch.arange(10))
    assert rbf(DIGIT_CODES).diagonal().abs().max() == 0


@pytest.mark.parametrize("j", [0.1, 1.0, 10.0])
def test_the_map_criterion_is_positive_and_bounded_below_by_competition(j):
    rbf, state = RBFOutput().double(), randn(50, 84)
    targets = torch.arange(50) % 10
    penalties = rbf(state)
    loss = rbf.loss_map(penalties, targets, j)
    right = penalties.gather(1, targets[:, None])[:, 0]
    written_out = right + torch.log(math.exp(-j) + torch.exp(-penalties).sum(1))
    assert loss.item() == pytest.approx(written_out.mean().item())
    assert loss > 0
    # Classes that are far off have no say: only the rubbish class competes.
    far = rbf.loss_map(penalties + 1e6, targets, j)
    assert far.item() == pytest.approx(rbf.loss_mse(penalties + 1e6, targets).item() - j)


def test_signs_are_the_targets_of_1989():
    outputs = torch.tensor([[1.0, -1.0, -1.0], [0.0, 0.0, 0.0]])
    assert loss_signs(outputs[:1], torch.tensor([0])) == 0
    assert loss_signs(outputs, torch.tensor([0, 2])).item() == pytest.approx(0.5)


def test_rejection_removes_the_least_sure_first():
    scores = torch.tensor([[3.0, 0.0], [0.1, 0.0], [0.0, 2.0], [0.5, 0.0]])
    targets = torch.tensor([0, 1, 1, 1])  # the second and the last are wrong
    rejected, errors = rejection_curve(scores, targets)
    assert rejected.tolist() == [0, 0.25, 0.5, 0.75]
    assert errors.tolist() == pytest.approx([1 / 2, 1 / 3, 0, 0])
    assert reject_at(scores, targets, 0.4) == 0.25
    assert reject_at(scores, targets, 0.01) == 0.5
    assert reject_at(-scores, torch.tensor([0, 0, 1, 0]), 0.0) == 1.0


# The networks


def test_what_lies_outside_is_background_also_for_h1s_output():
    net = seeded(ZipNet)
    seen = []
    net.h2.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    net(randn(1, 1, 16, 16, dtype=torch.float))
    border = seen[0].clone()
    border[:, :, 2:-2, 2:-2] = -1
    assert torch.equal(border, torch.full_like(border, -1))


def test_biases_of_1989_are_one_a_unit():
    net = seeded(ZipNet)
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        before = net.h1(net.pad(x))
        net.h1.bias[3, 2, 5] += 1
        changed = (net.h1(net.pad(x)) - before).nonzero()
    assert changed.tolist() == [[0, 3, 2, 5]]


def test_a_chosen_connectivity_is_used():
    maps = torch.stack([torch.randperm(12, generator=torch.Generator().manual_seed(i))[:8]
                        for i in range(12)])  # fmt: skip
    net = seeded(ZipNet, maps)
    assert [set(row) for row in net.h2.table] == [set(row) for row in maps.tolist()]


@pytest.mark.parametrize("sqrt", [False, True])
def test_initial_weights_fill_their_range(sqrt):
    net = seeded(LeNet5)
    init_lecun(net, torch.Generator().manual_seed(1), sqrt)
    for weight, fan_in in (
        (net.c1.weight, 25), (net.s4.coef, 4), (net.c5.weight, 400), (net.f6.weight, 120),
        (net.c3.weight[:18], 75), (net.c3.weight[-6:], 150),
    ):  # fmt: skip
        limit = 2.4 / (math.sqrt(fan_in) if sqrt else fan_in)
        assert 0.8 * limit < weight.abs().max() <= limit
    assert all(p.abs().max() == 0 for name, p in net.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("name", PRESETS)
def test_replication_equals_sliding_by_four_pixels(name, k):
    net = seeded(LeNet5.from_preset, name).double()
    x = randn(2, 1, 36, 32 + 4 * k)
    slid = torch.stack(
        [torch.stack([net(x[:, :, r : r + 32, c : c + 32]) for c in range(0, 4 * k + 1, 4)], -1)
         for r in (0, 4)], -2)  # fmt: skip
    assert torch.allclose(sdnn(net)(x), slid, atol=1e-9)


VARIANTS = [
    LeNet5Config(c3, subsample, output, activation)
    for c3 in ("table", "full")
    for subsample in ("trainable", "avg", "max")
    for output in ("rbf", "linear")
    for activation in ("scaled_tanh", "relu")
]


@pytest.mark.parametrize("config", VARIANTS)
def test_every_variant_gives_every_parameter_a_gradient(config):
    net = seeded(LeNet5, config)
    result = net(randn(2, 1, 32, 32, dtype=torch.float))
    assert result.shape == (2, 10)
    result.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize(("make", "size"), [(ZipNet, 16), (LeNet5, 32)])
def test_compiled_and_in_mixed_precision_the_nets_are_the_same(make, size):
    net, x = seeded(make), randn(2, 1, size, size, dtype=torch.float)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x), net(x), rtol=1e-5, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net(x)
    assert torch.allclose(mixed.float(), net(x), rtol=0.05, atol=0.2)


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("layer", [MaxPool(), Subsample(6)], ids=["max", "sum"])
def test_pools_are_exported_with_a_dynamic_batch_and_traced(layer, gradient):
    dynamic = ({0: torch.export.Dim("batch", min=2, max=10_000)},)
    x = randn(30, 6, 20, 20, dtype=torch.float)  # 72,000 numbers: not pooled as a few are
    with torch.set_grad_enabled(gradient):
        for given in (x[:3], x):
            program = torch.export.export(layer, (given,), dynamic_shapes=dynamic, strict=False)
            for batch in (x[:2], x):
                torch.testing.assert_close(program.module()(batch), layer(batch))
        traced = torch.fx.symbolic_trace(nn.Sequential(layer, nn.Flatten()))
        torch.testing.assert_close(traced(x), layer(x).flatten(1))


def test_channels_last_changes_nothing():
    x = randn(2, 1, 32, 32)
    for name in PRESETS:
        net = seeded(LeNet5.from_preset, name).double()
        expected = net(x)
        net = net.to(memory_format=torch.channels_last)
        assert torch.allclose(net(x.to(memory_format=torch.channels_last)), expected)


def test_max_pooling_is_the_same_with_and_without_gradients():
    x = randn(2, 3, 8, 8)
    expected = F.max_pool2d(x, 2)
    assert torch.equal(MaxPool()(x), expected)
    assert torch.equal(MaxPool()(x.requires_grad_()), expected)


def test_squashing_after_max_pooling_is_squashing_before():
    config = LeNet5Config("full", "max", "linear", "scaled_tanh")
    net, x = seeded(LeNet5, config).double(), randn(2, 1, 32, 32)
    f, state = net.squash, x
    for layer in (net.c1, net.c3):
        state = F.max_pool2d(f(layer(state)), 2)
    expected = net.out(f(net.f6(f(net.c5(state))))).flatten(1)
    assert torch.allclose(net(x), expected, atol=1e-12)


@pytest.mark.parametrize("config", VARIANTS)
def test_folded_the_net_gives_the_same(config):
    net, x = seeded(LeNet5, config).double(), randn(3, 1, 32, 32)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(0.3 * randn(*parameter.shape))
    folded = fold(net)
    assert torch.allclose(folded(x), net(x), rtol=1e-9, atol=1e-9)
    kept = [m for m in folded if isinstance(m, PartialConv2d | ScaledTanh)]
    assert len(kept) == (config.output == "rbf" and config.activation == "scaled_tanh")


# Bad input

IMAGE = torch.zeros(2, 1, 32, 32)
BAD = [
    (lambda: ZipNet()(torch.zeros(2, 1, 28, 28)), ValueError, r"\(batch, 1, 16, 16\), got \(2, 1"),
    (lambda: ZipNet()(torch.zeros(2, 1, 16, 16, dtype=torch.long)), TypeError, r"scale to \[-1, 1"),
    (lambda: ZipNet("full"), ValueError, "'block' or a tensor, got 'full'"),
    (lambda: ZipNet(torch.zeros(12, 12)), ValueError, r"\(12, 8\), got \(12, 12\)"),
    (lambda: LeNet5()(IMAGE[..., 2:-2]), ValueError, r"1, 32, 32\), got \(2, 1, 32, 28\)"),
    (lambda: LeNet5()(IMAGE.long()), TypeError, r"scale to \[-0.1, 1.175\] first"),
    (lambda: sdnn(LeNet5())(IMAGE[..., 4:]), ValueError, "32, 36, 40, … .* got 32 by 28"),
    (lambda: sdnn(LeNet5())(torch.zeros(1, 1, 32, 34)), ValueError, "got 32 by 34"),
    (lambda: sdnn(LeNet5())(torch.zeros(1, 3, 32, 32)), ValueError, r"got \(1, 3, 32, 32\)"),
    (lambda: LeNet5.from_preset("lenet6"), ValueError, "lenet5, lenet5_modern, got 'lenet6'"),
    (lambda: LeNet5Config(subsample="sum"), ValueError, "subsample must be one of .* got 'sum'"),
    (lambda: LeNet5Config(num_classes=11), ValueError, "must be 10 with rbf outputs, got 11"),
    (lambda: PartialConv2d(6, [[0], []]), ValueError, "table: row 1 is empty"),
    (lambda: PartialConv2d(6, [[0], [1, 6]]), ValueError, r"row 1 has 6; .* \[0, 6\)"),
    (lambda: PartialConv2d(6, [[2, 2]]), ValueError, "row 0 names an input map twice"),
    (lambda: RBFOutput(torch.ones(84)), ValueError, r"\(classes, features\), got \(84,\)"),
    (lambda: RBFOutput(torch.tensor([[1.0, 0.5]])), ValueError, "-1 or \\+1, got 0.5"),
    (lambda: Subsample(1)(torch.zeros(1, 1, 5, 4)), ValueError, "even height and width, got 5 by"),
    (lambda: RBFOutput().loss_mse(torch.zeros(2, 10), torch.tensor([1, 10])), ValueError,
     r"targets must be in \[0, 10\), got 10"),
    (lambda: RBFOutput().loss_map(torch.zeros(1, 10), torch.tensor([-1])), ValueError, "got -1"),
    (lambda: RBFOutput().loss_map(torch.zeros(1, 10), torch.tensor([1]), j=0), ValueError,
     "j must be positive, got 0"),
    (lambda: loss_signs(torch.zeros(1, 10), torch.tensor([10])), ValueError, "got 10"),
    (lambda: reject_at(torch.zeros(1, 10), torch.tensor([1]), 1.0), ValueError, "got 1.0"),
    (lambda: conv2d(torch.zeros(1, 2, 4, 4), torch.zeros(1, 3, 2, 2)), ValueError,
     "3 channels as the weight has, got 2"),
    (lambda: windows(torch.zeros(1, 1, 4, 4), (5, 5)), ValueError, r"5 by 5 pixels, got \(4, 4\)"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), BAD)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_the_mse_criterion_warns_of_learnable_centers():
    rbf = RBFOutput(learnable=True)
    with pytest.warns(UserWarning, match="collapses"):
        rbf.loss_mse(torch.zeros(1, 10), torch.tensor([3]))


def test_learnable_centers_learn():
    rbf = RBFOutput(learnable=True)
    assert isinstance(rbf.centers, nn.Parameter)
    rbf.loss_map(rbf(torch.zeros(2, 84)), torch.tensor([0, 1])).backward()
    assert rbf.centers.grad.abs().max() > 0
