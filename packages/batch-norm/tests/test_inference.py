"""Algorithm 2: population statistics, freezing, folding."""

import pytest
import torch
from torch import nn

from lessons.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    BatchRenorm,
    GhostBatchNorm,
    PerActivationBatchNorm,
    fold_batch_norm_,
    folded,
    freeze_statistics_,
    update_bn_statistics,
)


def used(norm):
    """Return a norm in evaluation whose numbers are not those of the start."""
    for name, low, high in (("running_mean", -1, 1), ("running_var", 0.5, 2), ("weight", -2, 2),
                            ("bias", -1, 1)):  # fmt: skip
        if getattr(norm, name) is not None:
            nn.init.uniform_(getattr(norm, name), low, high)
    return norm.eval()


def test_population_statistics_are_those_of_algorithm_2():
    torch.manual_seed(0)
    batches = torch.randn(5, 8, 3, dtype=torch.float64)
    net = nn.Sequential(nn.Dropout(0.5), BatchNorm1d(3, dtype=torch.float64))
    net.eval()
    update_bn_statistics([(batch, "a label") for batch in batches], net)
    torch.testing.assert_close(net[1].running_mean, batches.mean(1).mean(0))
    biased = batches.var(1, correction=0).mean(0)
    torch.testing.assert_close(net[1].running_var, 8 / 7 * biased)
    assert net[1].momentum == 0.1
    assert not any(module.training for module in net.modules())


def test_later_norms_see_what_earlier_ones_give_in_training():
    torch.manual_seed(0)
    net = nn.Sequential(BatchNorm1d(3), BatchNorm1d(3))
    used(net[0])
    net.train()
    x = 5 * torch.randn(50, 3) + 2
    update_bn_statistics([x], net)
    gamma, beta = net[0].weight.detach(), net[0].bias.detach()
    torch.testing.assert_close(net[1].running_mean, beta)
    torch.testing.assert_close(net[1].running_var, gamma**2 * 50 / 49, rtol=1e-4, atol=1e-5)
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize(("layer", "norm", "shape"), [
    (nn.Linear(5, 4), BatchNorm1d(4), (3, 5)),
    (nn.Conv1d(2, 4, 3, bias=False), BatchNorm1d(4), (3, 2, 7)),
    (nn.Conv2d(4, 4, 3, 2, 1, groups=2), BatchNorm2d(4), (2, 4, 6, 6)),
    (nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), (2, 2, 6, 6)),
    (nn.Conv3d(2, 4, 2), BatchNorm3d(4, bias=False), (2, 2, 3, 3, 3)),
    (nn.Conv2d(2, 4, 3), BatchNorm2d(4, affine=False), (2, 2, 6, 6)),
], ids=str)  # fmt: skip
def test_a_folded_layer_does_what_layer_and_norm_did(layer, norm, shape):
    torch.manual_seed(0)
    net = nn.Sequential(layer, used(norm), nn.ReLU()).double()
    x = torch.randn(shape, dtype=torch.float64)
    short = folded(net)
    assert isinstance(short[1], nn.Identity)
    assert isinstance(net[1], type(norm)), "the original is left alone"
    torch.testing.assert_close(short(x), net(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("make", [
    BatchNorm1d, BatchRenorm, lambda n: GhostBatchNorm(n, 4), nn.BatchNorm1d,
    lambda n: PerActivationBatchNorm((n,)), lambda n: BatchNorm1d(n, affine=False),
], ids=lambda make: getattr(make, "__name__", "other"))  # fmt: skip
def test_population_statistics_of_every_norm_far_from_the_start(make):
    torch.manual_seed(0)
    net = nn.Sequential(make(3))  # without an affine part there is no parameter
    batches = torch.randn(6, 16, 3) + 10
    update_bn_statistics(batches, net)
    torch.testing.assert_close(net[0].running_mean, batches.mean((0, 1)), rtol=1e-4, atol=0)
    parts = batches.unflatten(1, (4, 4)).flatten(0, 1) if "Ghost" in str(net) else batches
    torch.testing.assert_close(net[0].running_var, parts.var(1).mean(0), rtol=1e-3, atol=0)
    assert net[0].momentum == 0.1


def test_batch_renorm_passes_on_what_it_does_in_training():
    torch.manual_seed(0)
    net = nn.Sequential(BatchRenorm(3), BatchNorm1d(3))
    batches = 2 * torch.randn(50, 16, 3) + 10
    update_bn_statistics(batches, net)
    torch.testing.assert_close(net[1].running_mean, torch.zeros(3), rtol=0, atol=0.15)
    torch.testing.assert_close(net[1].running_var, torch.ones(3), rtol=0.25, atol=0)


def test_frozen_norms_get_population_statistics_and_stay_frozen():
    torch.manual_seed(0)
    net = freeze_statistics_(nn.Sequential(BatchNorm1d(3)))
    batches = torch.randn(4, 16, 3) + 10
    update_bn_statistics(batches, net)
    torch.testing.assert_close(net[0].running_mean, batches.mean((0, 1)))
    assert net[0].frozen


def test_statistics_are_kept_if_a_batch_fails():
    net = nn.Sequential(used(BatchNorm1d(3)))
    before = [buffer.clone() for buffer in net.buffers()]
    for batches, error in (([], ValueError), ([torch.ones(4, 3), torch.ones(4, 5)], ValueError)):
        with pytest.raises(error):
            update_bn_statistics(batches, net)
        assert all(torch.equal(a, b) for a, b in zip(net.buffers(), before))
        assert (net[0].momentum, net[0].training) == (0.1, False)


class Residual(nn.Module):
    """A block whose order of computation is in its forward, as most are."""

    def __init__(self, norm):
        super().__init__()
        self.bn1, self.conv2 = used(norm(4)), nn.Conv2d(4, 4, 1)  # in another order than computed
        self.conv1, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), used(norm(4))
        self.down = nn.Sequential(nn.Conv2d(4, 4, 1), used(norm(4)))

    def forward(self, x, scale=None):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (self.down(x) + y if scale is None else scale * y).relu()


class Checked(nn.Module):
    """It cannot be traced, as it looks at its input; its block can."""

    def __init__(self):
        super().__init__()
        self.first, self.block = nn.Conv2d(4, 4, 1), Residual(BatchNorm2d)

    def forward(self, x):
        if x.sum() == 0:
            raise ValueError("x is zero")
        return self.block(self.first(x))


@pytest.mark.parametrize("make", [
    lambda: Residual(BatchNorm2d), lambda: Residual(nn.BatchNorm2d), Checked,
    lambda: nn.Sequential(Residual(BatchNorm2d), Checked()),
])  # fmt: skip
def test_norms_are_folded_wherever_they_follow_a_convolution(make):
    torch.manual_seed(0)
    net, x = make().double().eval(), torch.randn(2, 4, 5, 5, dtype=torch.float64)
    short = folded(net)
    assert not any("BatchNorm" in type(module).__name__ for module in short.modules())
    torch.testing.assert_close(short(x), net(x), rtol=1e-12, atol=1e-12)


class Before(nn.Module):
    """Norms that cannot be folded: the first, and one behind a sum that reads a convolution too."""

    def __init__(self):
        super().__init__()
        self.norm1, self.conv = used(BatchNorm2d(4)), nn.Conv2d(4, 4, 1)
        self.norm2 = used(BatchNorm2d(4))

    def forward(self, x):
        y = self.conv(self.norm1(x))
        return y + self.norm2(y)


class Activated(nn.BatchNorm2d):
    def forward(self, input):
        return super().forward(input).relu()


class Standardized(nn.Conv2d):
    def forward(self, input):
        weight = self.weight / self.weight.std()
        return nn.functional.conv2d(input, weight, self.bias)


def shared():
    conv = nn.Conv2d(4, 4, 1)
    norms = used(BatchNorm2d(4)), used(BatchNorm2d(4))
    return nn.Sequential(nn.Sequential(conv, norms[0]), nn.Sequential(conv, norms[1]))


def tied():
    net = nn.Sequential(nn.Conv2d(4, 4, 1), used(BatchNorm2d(4)), nn.Conv2d(4, 4, 1))
    net[2].weight = net[0].weight
    return net


def hooked():
    net = nn.Sequential(nn.Conv2d(4, 4, 1), used(BatchNorm2d(4)))
    net[0].register_forward_hook(lambda module, args, output: output * 2)
    return net


@pytest.mark.parametrize("make", [
    Before, shared, tied, hooked,
    lambda: nn.Sequential(nn.Conv2d(4, 4, 1), used(Activated(4))),
    lambda: nn.Sequential(Standardized(4, 4, 1), used(BatchNorm2d(4))),
    lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
                          used(BatchNorm2d(4))),
    lambda: nn.Sequential(nn.ConvTranspose2d(4, 4, 1), used(BatchNorm2d(4))),
    lambda: nn.Sequential(nn.Conv2d(4, 2, 1), used(PerActivationBatchNorm((2, 5, 5)))),
])  # fmt: skip
def test_norms_that_cannot_be_folded_stay_and_are_named(make):
    torch.manual_seed(0)
    net, x = make().double().eval(), torch.randn(2, 4, 5, 5, dtype=torch.float64)
    with pytest.warns(UserWarning, match=r"batch norms are not folded: '[a-z0-9.]+'"):
        short = folded(net)
    torch.testing.assert_close(short(x), net(x), rtol=1e-12, atol=1e-12)


def test_frozen_norms_learn_scale_and_shift_only():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), BatchNorm1d(4))
    used(net[1])
    before = [buffer.clone() for buffer in net.buffers()]
    x = torch.randn(2, 3)
    wanted = net.eval()(x)
    freeze_statistics_(net).train()
    y = net(x)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(net(x[:1]), y[:1])  # whatever the others are
    for buffer, kept in zip(net.buffers(), before):
        assert torch.equal(buffer, kept)
    y.pow(2).sum().backward()
    assert net[1].weight.grad.abs().min() > 0
    freeze_statistics_(net, False)
    assert not torch.allclose(net(x), wanted)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: fold_batch_norm_(nn.Conv2d(2, 3, 1), BatchNorm2d(4).eval()),
     "3 output channels, norm has 4"),
    (lambda: fold_batch_norm_(nn.Conv2d(2, 4, 1), BatchNorm2d(4)), "in training"),
    (lambda: fold_batch_norm_(nn.ReLU(), BatchNorm2d(4).eval()), "linear layer or a convolution"),
    (lambda: fold_batch_norm_(nn.Linear(2, 4), nn.LayerNorm(4)), "running statistics"),
    (lambda: update_bn_statistics([], nn.Sequential(nn.Linear(2, 2), BatchNorm1d(2))), "empty"),
    (lambda: update_bn_statistics([], nn.Linear(2, 2)), "has none"),
    (lambda: freeze_statistics_(nn.BatchNorm1d(2)), "only this package's"),
    (lambda: freeze_statistics_(BatchNorm1d(2, track_running_stats=False)), "to be frozen"),
    (lambda: update_bn_statistics([], BatchNorm1d(2, track_running_stats=False)),
     "with running statistics, and has none"),
])  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
