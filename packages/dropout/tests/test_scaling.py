"""Weights scaled and bounded, thinned nets averaged, noise integrated out, machines, and nets."""

import math

import pytest
import torch
from torch import nn

from lessons.dropout import (
    MLP,
    PRESETS,
    ConvConfig,
    ConvNet,
    Dropout,
    DropoutRBM,
    MaxNorm,
    MLPConfig,
    dropout,
    from_preset,
    from_pretrained_scale_,
    marginal_linear,
    marginal_loss,
    max_norm_,
    mc_predict,
    thinned_masks,
    to_inference_weights_,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(mode="paper", p=0.5):
    torch.manual_seed(0)
    return MLP(MLPConfig((12, 20, 20, 4), p_hidden=p, mode=mode))


def test_scaled_weights_say_in_training_what_the_net_says_in_evaluation():
    model, x = net(), torch.randn(30, 12, generator=seeded())
    want = model.eval()(x)
    scaled = to_inference_weights_(model).train()
    torch.testing.assert_close(scaled(x), want)
    torch.testing.assert_close(to_inference_weights_(scaled)(x), want)  # again changes nothing


def test_scaled_weights_of_a_convolutional_net():
    torch.manual_seed(0)
    model = nn.Sequential(
        Dropout(0.1, mode="paper"), nn.Conv2d(3, 4, 3), nn.ReLU(), Dropout(0.3, mode="paper"),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5),
    )  # fmt: skip
    x = torch.randn(2, 3, 8, 8)
    want = model.eval()(x)
    torch.testing.assert_close(to_inference_weights_(model).train()(x), want)


def test_pretrained_weights_are_scaled_up_so_that_the_mean_output_stays():  # §5.2
    plain = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Identity(), nn.Linear(20, 4))
    x = torch.randn(30, 12, generator=seeded())
    want = plain(x)
    model = nn.Sequential(*plain)
    model[2] = Dropout(0.4, mode="paper")
    torch.testing.assert_close(from_pretrained_scale_(model).eval()(x), want)


def test_inverted_and_paper_training_are_the_same_after_rescaling():  # §10
    # w' = w/q with the paper's mode: the same outputs, from the same masks.
    x, w = torch.randn(40, 100, generator=seeded()), torch.randn(100, 3, generator=seeded(1))
    inverted = dropout(x, 0.25, generator=seeded(2)) @ w
    paper = dropout(x, 0.25, mode="paper", generator=seeded(2)) @ (w / 0.75)
    torch.testing.assert_close(inverted, paper)


def test_max_norm_is_a_projection():
    w = torch.randn(50, 8, 3, 3, generator=seeded()) * torch.linspace(0, 1, 50).view(-1, 1, 1, 1)
    before = w.clone()
    max_norm_(w, 2.0)
    norm, old = w.flatten(1).norm(dim=1), before.flatten(1).norm(dim=1)
    torch.testing.assert_close(norm, old.clamp_max(2.0))
    assert torch.equal(w[old <= 2], before[old <= 2])
    again = w.clone()
    torch.testing.assert_close(max_norm_(again, 2.0), w)
    stacked = torch.randn(3, 5, 7, generator=seeded())
    each = torch.stack([max_norm_(part.clone(), 1.0, dim=1) for part in stacked])
    torch.testing.assert_close(max_norm_(stacked, 1.0, dim=(0, 2)), each)


def test_max_norm_holds_after_every_step_and_spares_biases():
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=100.0)
    optimizer.register_step_post_hook(MaxNorm(model, c=0.5))
    model(torch.randn(9, 5)).square().sum().backward()
    optimizer.step()
    for layer in (model[0], model[2]):
        assert layer.weight.norm(dim=1).max() <= 0.5 + 1e-6
    assert model[2].bias.norm() > 0.5


def test_sampled_nets_average_to_the_mean_of_all():
    torch.manual_seed(0)
    model = nn.Sequential(Dropout(0.3), nn.Linear(6, 3))
    x = torch.randn(4, 6)
    masks, weight = thinned_masks(6, 0.3)
    log = model[1].double()(x.double()[:, None] * masks / 0.7).log_softmax(-1)
    model.float()
    arithmetic = torch.einsum("bmk,m->bk", log.exp(), weight).float()
    geometric = torch.einsum("bmk,m->bk", log, weight).softmax(-1).float()
    spread = torch.einsum("bmk,m->bk", (log.exp() - arithmetic[:, None]) ** 2, weight).sqrt()
    got = mc_predict(model, x, 20_000)
    torch.testing.assert_close(got.mean, arithmetic, rtol=0, atol=0.015)  # 5 s.e. at a std of .4
    torch.testing.assert_close(got.std, spread.float(), rtol=0, atol=0.015)
    got = mc_predict(model, x, 20_000, reduce="geometric", chunk=999)
    torch.testing.assert_close(got.mean, geometric, rtol=0, atol=0.02)
    assert (got.mutual_information > 0).all()
    scaled = model.eval()(x).softmax(-1)
    torch.testing.assert_close(scaled, geometric, rtol=0, atol=1e-6)  # for any p, one layer


def test_sampling_switches_dropout_only_and_restores():
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    model.eval()[2].train()
    running = model[1].running_mean.clone()
    found = mc_predict(model, torch.randn(7, 5), 20)
    assert found.std.max() > 0
    assert torch.equal(model[1].running_mean, running)
    assert [module.training for module in model] == [False, False, True, False]


def test_masks_of_all_thinned_nets():
    masks, weight = thinned_masks(4, 0.3)
    assert masks.unique(dim=0).shape == (16, 4)
    torch.testing.assert_close(weight.sum().item(), 1.0)
    torch.testing.assert_close(weight @ masks, torch.full((4,), 0.7, dtype=torch.float64))


def test_linear_regression_is_ridge_regression():  # §9.1
    X = torch.randn(40, 6, generator=seeded(), dtype=torch.float64)
    y = torch.randn(40, generator=seeded(1), dtype=torch.float64)
    for p in (0.1, 0.5, 0.8):
        w = marginal_linear(X, y, p)
        best = marginal_loss(X, y, w, p)
        for step in torch.randn(20, 6, generator=seeded(2), dtype=torch.float64):
            assert marginal_loss(X, y, w + 0.01 * step, p) > best
        ridge = torch.linalg.solve(X.T @ X + p / (1 - p) * (X.T @ X).diagonal().diag(), X.T @ y)
        torch.testing.assert_close((1 - p) * w, ridge, rtol=1e-12, atol=0)
    least_squares = torch.linalg.lstsq(X, y[:, None]).solution[:, 0]
    torch.testing.assert_close(marginal_linear(X, y, 0.0), least_squares)


def test_free_energy_is_the_sum_over_hidden_states():
    rbm = DropoutRBM(5, 4, 0.5, generator=seeded(), dtype=torch.float64)
    with torch.no_grad():
        for param in rbm.parameters():
            param.normal_(generator=seeded(1))
    v = torch.randint(2, (6, 5), generator=seeded(2)).double()
    keep = torch.tensor([1.0, 0, 1, 1], dtype=torch.float64)
    hidden, _ = thinned_masks(4, 0.5)
    for allowed, r in ((hidden, None), (hidden[hidden[:, 1] == 0], keep)):
        energy = (v @ rbm.weight.T) @ allowed.T + allowed @ rbm.hidden_bias
        want = -(energy + (v @ rbm.visible_bias)[:, None]).logsumexp(1)
        torch.testing.assert_close(rbm.free_energy(v, r), want)


def test_contrastive_divergence_learns_and_spares_dropped_units():
    rbm = DropoutRBM(6, 8, 1.0, generator=seeded())
    v = torch.eye(6).repeat(20, 1)
    rbm.contrastive_divergence(v)
    assert not rbm.weight.grad.any()  # every hidden unit was dropped
    rbm = DropoutRBM(6, 32, 0.3, generator=seeded())
    optimizer = torch.optim.SGD(rbm.parameters(), lr=0.5)
    errors = []
    for _ in range(400):
        errors.append(rbm.contrastive_divergence(v, k=2).item())
        optimizer.step()
    assert errors[-1] < 0.7 * errors[0]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mnist-800-logistic", 1_276_810), ("mnist-1024-logistic", 2_913_290),
        ("mnist-1024", 2_913_290), ("mnist-2048", 10_020_874), ("mnist-2x4096", 20_037_642),
        ("mnist-2x8192", 73_629_706), ("mnist-table-9", 3_973_130), ("svhn", 13_741_578),
        ("cifar-10", 13_741_578), ("cifar-100", 13_925_988),
    ],
)  # fmt: skip
def test_published_sizes(name, count):
    model = from_preset(name, device="meta")
    assert sum(p.numel() for p in model.parameters()) == count
    assert set(PRESETS) >= {name}
    retained = [1 - m.p for m in model if isinstance(m, Dropout)]
    if isinstance(model, ConvNet):
        assert retained == [0.9, 0.75, 0.75, 0.5, 0.5, 0.5]  # B.2
    else:
        assert retained == [0.8] + [0.5] * (len(retained) - 1)  # B.1


def test_nets_map_images_to_logits():
    assert net()(torch.randn(3, 12)).shape == (3, 4)
    small = ConvNet(ConvConfig(channels=(4, 5, 6), hidden=(8, 8), size=30))
    assert small(torch.randn(2, 3, 30, 30)).shape == (2, 10)


def test_presets_may_be_changed_and_their_weights_drawn_from_a_generator():
    changes = {"in_channels": 1, "num_classes": 7, "channels": (4, 5, 6), "hidden": (8, 8)}
    nets = [ConvNet.from_preset("svhn", seeded(3), size=16, **changes) for _ in range(2)]
    assert nets[0](torch.randn(2, 1, 16, 16)).shape == (2, 7)
    nets += [MLP.from_preset("mnist-1024", seeded(3), widths=(9, 5, 4)) for _ in range(2)]
    nets += [from_preset("mnist-1024", seeded(3), widths=(9, 5, 4), dtype=torch.float64)]
    for one, other in (nets[:2], nets[2:4]):
        assert all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters()))
    assert nets[4][1].weight.dtype is torch.float64
    bound = 1 / 3  # torch's own: uniform up to the root of the inputs' number
    assert 0.8 * bound < nets[2][1].weight.abs().max() <= bound
    former = ConvConfig(in_chans=1, classes=7)
    assert (former.in_channels, former.num_classes) == (1, 7)


RBM = DropoutRBM(4, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: max_norm_(torch.ones(2, 2), 0.0), "c must be above 0, got 0.0"),
        (lambda: MaxNorm(net(), -1.0), "c must be above 0, got -1.0"),
        (lambda: to_inference_weights_(net("inverted")), "mode 'paper'"),
        (lambda: from_pretrained_scale_(net(p=1.0)), "below 1"),
        (lambda: to_inference_weights_(nn.Sequential(Dropout(mode="paper"))), "no weights"),
        (
            lambda: to_inference_weights_(
                nn.Sequential(Dropout(mode="paper"), nn.Tanh(), nn.Linear(2, 2))
            ),
            "Tanh",
        ),
        (lambda: mc_predict(net(), torch.ones(2, 12), 0), "samples must be at least 1, got 0"),
        (lambda: mc_predict(nn.Linear(2, 2), torch.ones(2, 2), 3), "all samples would be equal"),
        (lambda: mc_predict(net(), torch.ones(2, 12), 3, "median"), "'median'"),
        (lambda: marginal_linear(torch.ones(3, 2), torch.ones(3), 1.0), "got 1.0"),
        (lambda: marginal_linear(torch.ones(3, 2), torch.ones(4), 0.5), r"\(3, 2\), y \(4,\)"),
        (lambda: RBM.free_energy(torch.full((2, 4), 1.5)), r"\[0, 1\]"),
        (lambda: RBM.contrastive_divergence(torch.ones(2, 5)), r"\(B, 4\), is \(2, 5\)"),
        (lambda: RBM.contrastive_divergence(torch.ones(2, 4), k=0), "k must be at least 1"),
        (lambda: DropoutRBM(2, 2, math.nan), "nan"),
        (lambda: from_preset("mnist"), "svhn.*'mnist'"),
        (lambda: MLP.from_preset("svhn"), "one of mnist-800-logistic.*, got 'svhn'"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
