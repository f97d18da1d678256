"""BN-Inception's published sizes, the net of Fig. 1, and nets side by side."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lessons.batch_norm import (
    RECIPES,
    BatchNorm2d,
    BNInception,
    BNInceptionConfig,
    folded,
    mlp_fig1,
)
from lessons.batch_norm.claims.side_by_side import Setting, SideBySide


@pytest.mark.parametrize(("name", "parameters"), [
    ("bn-inception", 11_278_528),
    ("bn-inception-full", 11_285_224),
    ("bn-inception-576", 11_194_984),
    ("bn-inception-sigmoid", 11_278_528),
])  # fmt: skip
def test_published_sizes(name, parameters):
    with torch.device("meta"):
        net = BNInception.from_preset(name)
        outputs = net.features(torch.empty(2, 3, 224, 224))
        assert net(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    assert sum(p.numel() for p in net.parameters()) == parameters
    wide = name != "bn-inception-576"  # Fig. 5's columns, or its printed sizes
    assert {module: tuple(out.shape[1:]) for module, out in outputs.items()} == {
        "stem": (192, 28, 28), "3a": (256, 28, 28), "3b": (320, 28, 28), "3c": (576, 14, 14),
        "4a": (576, 14, 14), "4b": (576, 14, 14), "4c": (608 if wide else 576, 14, 14),
        "4d": (608 if wide else 576, 14, 14), "4e": (1056 if wide else 1024, 7, 7),
        "5a": (1024, 7, 7), "5b": (1024, 7, 7),
    }  # fmt: skip


def test_where_the_parameters_are():
    with torch.device("meta"):
        net = BNInception.from_preset("bn-inception-full")
        without = BNInception(BNInceptionConfig(first_conv="full", norm=False))
    norms = sum(p.numel() for m in net.modules() if isinstance(m, BatchNorm2d)
                for p in m.parameters())  # fmt: skip
    head = sum(p.numel() for p in net.fc.parameters())
    assert (norms, head) == (20_032, 1_025_000)
    # A bias for each convolution and no norm: half of what the norms have.
    assert sum(p.numel() for p in without.parameters()) == 11_285_224 - 20_032 // 2
    # The common port of the released weights has both.
    assert 11_285_224 + 20_032 // 2 == 11_295_240


def test_a_folded_inception_gives_the_same_logits():
    torch.manual_seed(0)
    net = BNInception(BNInceptionConfig(num_classes=5)).eval()
    for module in net.modules():
        if isinstance(module, BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.1)
    short = folded(net)
    assert not any(isinstance(module, BatchNorm2d) for module in short.modules())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        wanted = net(x)
        assert (short(x) - wanted).norm() < 1e-4 * wanted.norm()


def test_the_ratios_of_the_recipes():
    rate = {name: recipe.lr for name, recipe in RECIPES.items()}
    assert rate["bn-x5"] == pytest.approx(5 * rate["inception"])
    assert rate["bn-x30"] == pytest.approx(30 * rate["inception"])
    steps = RECIPES["inception"].steps / RECIPES["bn-x5"].steps
    assert round(steps, 1) == 14.8
    assert round(100 / steps, 1) == 6.8


def test_the_net_of_figure_1():
    for bn, parameters in ((False, 99_710), (True, 100_010)):
        net = mlp_fig1(bn)
        assert sum(p.numel() for p in net.parameters()) == parameters
        assert net(torch.rand(3, 784)).shape == (3, 10)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_nets_side_by_side_train_as_they_would_alone(norm):
    generator = torch.Generator().manual_seed(0)
    rates, sizes = (0.1, 1.0), (6, 5, 4, 3)
    side = SideBySide([Setting(norm, lr) for lr in rates], "sigmoid", sizes, generator, 0.9)
    alone = []
    for k, lr in enumerate(rates):
        net = mlp_fig1(norm == "batch", sizes)
        linear = [m for m in net if isinstance(m, nn.Linear)]
        with torch.no_grad():
            for layer, weight, bias in zip(linear, side.weights, side.biases):
                layer.weight.copy_(weight[k].T)
                if layer.bias is not None:
                    layer.bias.copy_(bias[k])
        alone.append((net, torch.optim.SGD(net.parameters(), lr, momentum=0.9)))
    x, y = torch.randn(5, 8, 6, generator=generator), torch.randint(3, (5, 8), generator=generator)
    for images, labels in zip(x, y):
        losses = side.step(images, labels)
        for (net, optimizer), loss in zip(alone, losses):
            optimizer.zero_grad()
            wanted = F.cross_entropy(net(images), labels)
            wanted.backward()
            optimizer.step()
            torch.testing.assert_close(loss, wanted.detach(), rtol=1e-4, atol=1e-5)
    losses, right = side.evaluate(x[0], y[0])
    for (net, _), loss, share in zip(alone, losses, right):
        logits = net.eval()(x[0])
        torch.testing.assert_close(loss, F.cross_entropy(logits, y[0]), rtol=1e-3, atol=1e-4)
        assert share == (logits.argmax(1) == y[0]).float().mean()


def test_detached_statistics_normalize_alike_and_differ_in_the_gradient():
    nets = []
    for norm in ("batch", "detached"):
        generator = torch.Generator().manual_seed(0)
        nets.append(SideBySide([Setting(norm, 0.1)], "relu", (6, 5, 4, 3), generator))
    x, y = torch.randn(8, 6), torch.arange(8) % 3
    first = [net.step(x, y) for net in nets]
    torch.testing.assert_close(*first, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(nets[0].weights[0], nets[1].weights[0], atol=1e-4)


def test_a_net_that_diverges_harms_no_other():
    results = []
    for rates in ((0.1,), (0.1, 1e20)):
        generator = torch.Generator().manual_seed(0)
        net = SideBySide([Setting("none", r) for r in rates], "relu", (6, 5, 4, 3), generator)
        torch.manual_seed(1)
        for _ in range(5):
            losses = net.step(torch.randn(8, 6), torch.arange(8) % 3)
        results.append(losses[0])
    assert not losses[1].isfinite()
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: BNInception.from_preset("inception"), "bn-inception-full"),
    (lambda: BNInceptionConfig(first_conv="7x7"), "first_conv must be one of"),
    (lambda: BNInceptionConfig(num_classes=0), "num_classes must be at least 1"),
    (lambda: BNInception(BNInceptionConfig(10))(torch.ones(1, 1, 32, 32)), r"\(B, 3, H, W\)"),
    (lambda: SideBySide([Setting("none"), Setting(), Setting("none")], "relu", (2, 2, 2),
                        torch.Generator()), "must follow each other"),
])  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_are_drawn_from_the_generator_and_a_preset_can_be_changed():
    for norm in (True, False):
        one, same, other = (
            BNInception.from_preset(
                "bn-inception", torch.Generator().manual_seed(seed), num_classes=3, norm=norm
            )
            for seed in (3, 3, 4)
        )
        assert one.fc.out_features == 3
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
        drawn = [(a, b) for a, b in zip(one.parameters(), other.parameters()) if a.ndim > 1]
        assert not any(torch.equal(a, b) for a, b in drawn)
    with torch.device("meta"), pytest.raises(ValueError, match="nonlinearity must be one of"):
        BNInception.from_preset("bn-inception", nonlinearity="tanh")
