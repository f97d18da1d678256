"""Algorithm 2: population statistics, freezing, folding."""

import pytest
import torch
from torch import nn

from lessons.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
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
])  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
