"""The second-order learning rates, the training loop, images and distortions; bad input."""

import functools

import pytest
import torch
import torch.nn.functional as F

from lessons.cnn import (
    DIGIT_CODES,
    SCHEDULE,
    LeNet5,
    LeNet5Config,
    RBFOutput,
    StochasticDiagonalLM,
    ZipNet,
    diagonal_curvature,
    distort,
    falling,
    fill,
    fit,
    loss_signs,
    normalize,
    predict,
    shift,
)
from lessons.cnn.second_order import state_curvature


def patterns(count, size, seed=0, dtype=torch.float):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, 1, size, size, generator=generator, dtype=dtype)
    return x, torch.randint(10, (count,), generator=generator)


def seeded(make, *args):
    torch.manual_seed(0)
    return make(*args)


# Curvature (App. C)


def exact_gauss_newton(net, x, y, curvature_of_outputs):
    """The Gauss-Newton diagonal from the whole Jacobian, pattern by pattern."""
    parameters = {k: p.detach() for k, p in net.named_parameters()}
    total = {k: torch.zeros_like(p) for k, p in parameters.items()}
    for i in range(len(x)):

        def outputs(p, i=i):
            return torch.func.functional_call(net, p, x[i : i + 1])[0]

        for k, jacobian in torch.func.jacrev(outputs)(parameters).items():
            shape = (-1, *(1,) * (jacobian.ndim - 1))
            total[k] += (jacobian.square() * curvature_of_outputs.view(shape)).sum(0) / len(x)
    return total


def test_the_recursion_is_exact_in_the_last_two_layers_and_only_there():
    net = seeded(ZipNet).double()
    x, y = patterns(3, 16, dtype=torch.double)
    ours = diagonal_curvature(net, x, y, loss_signs)
    exact = exact_gauss_newton(net, x, y, torch.full((10,), 2 / 10, dtype=torch.double))
    # From a unit of H3 there is one path to each output; from one of H2 there are thirty, and
    # eq. 27 drops the products of different paths.
    for name in ("out.weight", "out.bias", "h3.weight", "h3.bias"):
        assert torch.allclose(ours[name], exact[name], rtol=1e-10)
    assert not torch.allclose(ours["h2.bias"], exact["h2.bias"], rtol=0.1)


def test_the_recursion_written_out_by_hand():
    # A net of two sums and two squashing functions, eqs. 23, 25 and 27 line by line.
    net = seeded(ZipNet).double()
    x, y = patterns(4, 16, dtype=torch.double)
    ours = diagonal_curvature(net, x, y, loss_signs)
    with torch.no_grad():
        states = [x]
        for layer in net.layers:
            states.append(layer(states[-1]))
        slope = {k: (2 / 3) * (1.7159 - s.square() / 1.7159) for k, s in enumerate(states)}
        at_out = slope[11].square() * 2 / 10  # after layer 10; every output's second derivative
        assert torch.allclose(ours["out.weight"], at_out.T @ states[9].square() / 4)
        at_h3 = slope[9].square() * (at_out @ net.out.weight.square())
        assert torch.allclose(ours["h3.weight"], at_h3.T @ states[7].square() / 4)
        assert torch.allclose(ours["h3.bias"], at_h3.sum(0) / 4)
        at_h2 = slope[6].square() * (at_h3 @ net.h3.weight.square()).view(-1, 12, 4, 4)
        assert torch.allclose(ours["h2.bias"], at_h2.sum(0) / 4)
        windows = states[4].square().unfold(2, 5, 2).unfold(3, 5, 2)  # padding: (−1)² = 1
        dense = torch.einsum("bdyx,bcyxuv->dcuv", at_h2, windows) / 4
        pairs = [(d, c) for d, row in enumerate(net.h2.table) for c in row]
        expected = torch.stack([dense[d, c] for d, c in pairs])
        assert torch.allclose(ours["h2.weight"], expected)


def test_subsampling_sums_the_squares_of_its_four_inputs():
    net = seeded(LeNet5).double()
    x, y = patterns(3, 32, dtype=torch.double)
    ours = diagonal_curvature(net, x, y, net.rbf.loss_mse)
    with torch.no_grad():
        states = [x]
        for layer in net.layers:
            states.append(layer(states[-1]))
        slope = {k: (2 / 3) * (1.7159 - s.square() / 1.7159) for k, s in enumerate(states)}
        at_f6 = slope[12].square() * 2  # ∂²y/∂x² of eq. 7
        assert torch.allclose(ours["f6.bias"], at_f6.sum(0) / 3)
        at_c5 = slope[10].square() * (at_f6 @ net.f6.weight.flatten(1).square())
        at_s4 = torch.einsum("bj,jcuv->bcuv", at_c5, net.c5.weight.square()) * slope[8].square()
        four = 4 * F.avg_pool2d(states[6].square(), 2)
        assert torch.allclose(ours["s4.coef"], (at_s4 * four).sum((0, 2, 3)) / 3)
        assert torch.allclose(ours["s4.bias"], at_s4.sum((0, 2, 3)) / 3)


@pytest.mark.parametrize("criterion", ["mse", "map", "cross entropy"])
def test_the_curvature_of_the_state_is_that_of_the_whole_hessian(criterion):
    rbf = RBFOutput().double()
    head = torch.nn.Identity() if criterion == "cross entropy" else rbf
    loss = {"mse": rbf.loss_mse, "map": rbf.loss_map, "cross entropy": F.cross_entropy}[criterion]
    # Near the codes, so that classes compete.
    state = 0.1 * patterns(4, 10, dtype=torch.double)[0].flatten(1)[:, :84] + 0.05 * DIGIT_CODES[:4]
    targets = torch.tensor([0, 1, 5, 3])
    for x, target, ours in zip(state, targets, state_curvature(head, state, targets, loss)):

        def energy(x, target=target):
            return loss(head(x[None]), target[None])

        exact = torch.autograd.functional.hessian(energy, x).diagonal()
        assert torch.allclose(ours, exact, rtol=1e-9, atol=1e-12)
        assert exact.min() >= 0


@pytest.mark.parametrize(
    "config",
    [
        LeNet5Config(),
        LeNet5Config("full", "max", "linear", "relu"),
        LeNet5Config("full", "avg", "linear", "tanh"),
    ],
)
def test_curvature_covers_every_weight_and_is_never_negative(config):
    net = seeded(LeNet5, config)
    x, y = patterns(3, 32)
    loss = net.rbf.loss_map if config.output == "rbf" else F.cross_entropy
    found = diagonal_curvature(net, x, y, loss)
    assert {k: h.shape for k, h in found.items()} == {k: p.shape for k, p in net.named_parameters()}
    assert all(h.min() >= 0 and h.isfinite().all() for h in found.values())
    assert sum(h.sum() for h in found.values()) > 0


def test_a_step_is_eta_over_mu_plus_h_times_the_gradient():
    net = seeded(ZipNet)
    x, y = patterns(5, 16)
    before = {k: p.detach().clone() for k, p in net.named_parameters()}
    optimizer = StochasticDiagonalLM(net, lr=0.01, mu=0.5)
    optimizer.estimate(x, y, loss_signs)
    h = diagonal_curvature(net, x, y, loss_signs)
    loss_signs(net(x), y).backward()
    optimizer.step()
    for name, p in net.named_parameters():
        expected = before[name] - 0.01 / (0.5 + h[name]) * p.grad
        assert torch.allclose(p, expected, rtol=1e-5, atol=1e-7)
        assert torch.allclose(optimizer.rates()[name], 0.01 / (0.5 + h[name]))


def test_the_schedule_is_the_papers():
    assert len(SCHEDULE) == 20
    assert [SCHEDULE[i] for i in (0, 1, 2, 4, 5, 7, 8, 11, 12, 19)] == [
        5e-4, 5e-4, 2e-4, 2e-4, 1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5,
    ]  # fmt: skip
    assert falling(20) == list(SCHEDULE)
    assert falling(4, 1.0) == pytest.approx([1, 0.2, 0.1, 0.02])


# The loop


def test_the_loop_learns_four_patterns_by_heart():
    x, y = patterns(4, 16)
    net = seeded(ZipNet)
    passes = list(fit(net, 2 * x - 1, y, loss_signs, schedule=[0.02] * 40, mu=0.1))
    assert [p.number for p in passes] == list(range(1, 41))
    assert passes[-1].loss < 0.1 * passes[0].loss
    assert torch.equal(predict(net, 2 * x - 1).argmax(1), y)


def test_a_batch_moves_the_weights_by_the_sum_of_its_patterns_steps():
    x, y = patterns(6, 16)
    moved = []
    for batch_size in (1, 6):
        net = seeded(ZipNet).double()
        before = net.h3.weight.detach().clone()
        list(fit(net, x.double(), y, loss_signs, schedule=[1e-10], batch_size=batch_size))
        moved.append(net.h3.weight.detach() - before)
    assert torch.allclose(*moved, rtol=1e-4, atol=1e-16)


def test_the_order_is_constant_and_the_generators():
    x, y = patterns(5, 16)
    seen = []

    class Watch(ZipNet):
        def forward(self, x_B1HW):
            if self.training and torch.is_grad_enabled():
                seen.append(x_B1HW[0, 0, 0, 0].item())
            return super().forward(x_B1HW)

    for seed in (0, 0, 1):
        generator = torch.Generator().manual_seed(seed)
        list(fit(seeded(Watch), x, y, loss_signs, schedule=[1e-3] * 2, generator=generator))
    runs = [seen[i : i + 5] for i in range(0, 30, 5)]
    assert runs[0] == runs[1] == runs[2] == runs[3]
    assert runs[4] == runs[5] != runs[0]


def test_compiled_training_is_the_same(monkeypatch):
    x, y = patterns(4, 16)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    losses = []
    for compile in (False, True):
        generator = torch.Generator().manual_seed(0)
        passes = fit(seeded(ZipNet), x, y, loss_signs, schedule=[1e-3] * 2, compile=compile,
                     generator=generator)  # fmt: skip
        losses.append([done.loss for done in passes])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_sequential_net_has_second_order_rates_too():
    x, y = patterns(4, 16)
    net = ZipNet()
    twin = torch.nn.Sequential(*net.layers)
    ours = diagonal_curvature(net, x, y, loss_signs)
    theirs = diagonal_curvature(twin, x, y, loss_signs)
    for a, b in zip(ours.values(), theirs.values()):
        assert torch.equal(a, b)


def test_another_optimizer_is_used_as_it_is():
    x, y = patterns(4, 32)
    net = seeded(LeNet5, LeNet5Config(output="linear"))
    twin = seeded(LeNet5, LeNet5Config(output="linear"))
    sgd = torch.optim.SGD(net.parameters(), lr=1.0)
    distorted = []
    list(fit(net, x, y, F.cross_entropy, schedule=[0.1], batch_size=4, optimizer=sgd,
             distortion=lambda images: distorted.append(len(images)) or images))  # fmt: skip
    F.cross_entropy(twin(x), y).backward()
    assert torch.allclose(net.f6.weight, twin.f6.weight - 0.1 * twin.f6.weight.grad, atol=1e-7)
    assert distorted == [4]


# Images


def test_normalized_images_have_the_papers_two_values():
    pixels = torch.zeros(1, 28, 28, dtype=torch.uint8)
    pixels[0, 10, 12] = 255
    image = normalize(pixels)
    assert image.shape == (1, 1, 32, 32)
    assert image[0, 0, 12, 14].item() == pytest.approx(1.175)
    assert image.min().item() == pytest.approx(-0.1)
    assert (image > 0).sum() == 1
    assert torch.allclose(normalize(pixels.float() / 255), image)


def test_filled_images_reach_the_border_and_keep_their_shape():
    pixels = torch.zeros(3, 28, 28, dtype=torch.uint8)
    pixels[0, 4:24, 10:16] = 255  # 20 high, 6 wide
    pixels[1, 7:12, 3:21] = 255  # 5 high, 18 wide
    tall, wide, empty = fill(pixels)[:, 0]
    assert tall.max().item() == pytest.approx(1)
    rows, columns = (tall > 0).any(1), (tall > 0).any(0)
    assert rows.all()
    assert 4 <= columns.sum() <= 6  # 6/20 of 16 is 4.8
    assert (wide > 0).any(0).all()
    assert 4 <= (wide > 0).any(1).sum() <= 5  # 5/18 of 16 is 4.4
    assert torch.equal(empty, torch.full_like(empty, -1))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, 0), (-2, 1), (1, -3)])
def test_a_shift_moves_and_lets_background_in(down, right):
    x, _ = patterns(2, 12)
    moved = shift(x, down, right, background=-5)
    inside = F.pad(x, (4, 4, 4, 4), value=-5)
    expected = inside[..., 4 - down : 16 - down, 4 - right : 16 - right]
    assert torch.equal(moved, expected)


def test_no_distortion_is_the_identity():
    x, _ = patterns(3, 32)
    assert torch.allclose(distort(x, 0, 0, 0, 0), x, atol=1e-5)


@pytest.mark.parametrize(
    ("amounts", "moment", "low", "high"),
    [
        ({"translate": 2.0}, "place", 0.5, 2.9),
        ({"scale": 0.3}, "area", 0.05, 0.9),
        ({"squeeze": 0.3}, "aspect", 0.1, 0.9),
        ({"shear": 0.4}, "slant", 0.1, 0.5),
    ],
)
def test_each_kind_of_distortion_moves_its_own_moment(amounts, moment, low, high):
    at = torch.arange(64, dtype=torch.double)
    blob = torch.exp(-(((at[:, None] - 31.5) / 5) ** 2) - ((at - 31.5) / 4) ** 2)
    x = blob.repeat(40, 1, 1, 1)
    none = {"translate": 0, "scale": 0, "squeeze": 0, "shear": 0}
    y = distort(x, **(none | amounts), background=0, generator=torch.Generator().manual_seed(0))

    def moments(images):
        mass = images.sum((1, 2, 3))
        row, column = images.sum((1, 3)), images.sum((1, 2))
        cy, cx = (row @ at) / mass, (column @ at) / mass
        vy, vx = (row @ at**2) / mass - cy**2, (column @ at**2) / mass - cx**2
        mixed = torch.einsum("bcyx,y,x->b", images, at, at) / mass - cy * cx
        return {
            "place": torch.hypot(cy - cy.mean(), cx - cx.mean()),
            "area": mass.log(),
            "aspect": (vy / vx).sqrt().log(),
            "slant": mixed / vy,
        }

    before, after = moments(x), moments(y)
    change = {k: (after[k] - before[k]).abs().max().item() for k in before}
    assert low < change[moment] < high
    for other in {"place": ("aspect", "slant"), "area": ("aspect", "slant"),
                  "aspect": ("area", "slant"), "slant": ("area",)}[moment]:  # fmt: skip
        assert change[other] < 0.03


def test_distortions_are_the_generators_and_differ_between_images():
    x = patterns(1, 32)[0].repeat(4, 1, 1, 1)
    first, again = (distort(x, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first[0], first[1], atol=0.01)


# Bad input

X, Y = patterns(2, 16)
BAD = [
    (lambda: StochasticDiagonalLM(ZipNet(), mu=0), ValueError, "mu must be positive, got 0"),
    (lambda: StochasticDiagonalLM(ZipNet(), lr=-1), ValueError, "lr must be at least 0, got -1"),
    (lambda: StochasticDiagonalLM(ZipNet()).rates(), RuntimeError, "call estimate first"),
    (
        lambda: diagonal_curvature(LeNet5(LeNet5Config(learnable_centers=True)), X, Y, loss_signs),
        ValueError,
        "fixed centers",
    ),
    (
        lambda: diagonal_curvature(torch.nn.Sequential(torch.nn.Softmax(1)), X, Y, loss_signs),
        ValueError,
        "net has a Softmax",
    ),
    (lambda: list(fit(ZipNet(), X, Y + 10, loss_signs)), ValueError, r"targets must be in \[0, 10"),
    (lambda: list(fit(ZipNet(), X, Y, loss_signs, batch_size=0)), ValueError, "got 0"),
    (lambda: list(fit(ZipNet(), X, Y, loss_signs, schedule=[])), ValueError, "got none"),
    (lambda: normalize(torch.zeros(1, 40, 40)), ValueError, "at most 32 high and wide, got 40 by"),
    (lambda: normalize(torch.full((1, 8, 8), 16.0)), ValueError, r"in \[0, 1\], got 16 to 16"),
    (lambda: normalize(torch.zeros(1, 8, 8, dtype=torch.long)), ValueError, "got torch.int64"),
    (lambda: fill(torch.zeros(8, 8)), ValueError, r"height, width\), got \(8, 8\)"),
    (lambda: distort(X, shear=-1), ValueError, "shear must be at least 0, got -1"),
]


@pytest.mark.parametrize(("call", "error", "says"), BAD)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_step_before_the_curvature_is_known_is_an_error():
    net = ZipNet()
    loss_signs(net(X), Y).backward()
    with pytest.raises(RuntimeError, match="call estimate first"):
        StochasticDiagonalLM(net).step()
