"""Equality with torch.nn and torchvision."""

import copy
import warnings

import pytest
import torch
import torchvision
from torch import nn

from lessons.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    fold_batch_norm_,
    folded,
    update_bn_statistics,
)

SHAPES = [
    (BatchNorm1d, nn.BatchNorm1d, (7, 4)),
    (BatchNorm1d, nn.BatchNorm1d, (7, 4, 5)),
    (BatchNorm2d, nn.BatchNorm2d, (3, 4, 5, 6)),
    (BatchNorm3d, nn.BatchNorm3d, (3, 4, 2, 5, 3)),
]


def pair(ours, theirs, options, dtype=torch.float64):
    """Return our layer and torch's, with the same random parameters."""
    a, b = ours(4, dtype=dtype, **options), theirs(4, dtype=dtype, **options)
    for parameter in b.parameters():
        nn.init.normal_(parameter)
    a.load_state_dict(b.state_dict())
    return a, b


@pytest.mark.parametrize("options", [
    {}, {"eps": 1e-3, "momentum": 0.3}, {"momentum": None}, {"affine": False},
    {"track_running_stats": False}, {"bias": False}, {"momentum": 0.0}, {"momentum": 1.0},
], ids=str)  # fmt: skip
@pytest.mark.parametrize(("ours", "theirs", "shape"), SHAPES, ids=lambda v: str(v))
def test_equals_torch(ours, theirs, shape, options):
    if "bias" in options and "bias" not in nn.BatchNorm1d.__init__.__kwdefaults__:
        pytest.skip("this torch's batch norm has no bias option")
    torch.manual_seed(0)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        a, b = pair(ours, theirs, options, dtype)
        for mode in (True, True, False):  # two updates of the running statistics, then their use
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                a.train(mode), b.train(mode)
            x = 2 * torch.randn(shape, dtype=dtype) + 3
            weights = torch.randn(shape, dtype=dtype)
            results = []
            for layer in (a, b):
                inputs = x.clone().requires_grad_()
                y = layer(inputs)
                grads = torch.autograd.grad((y * weights).sum(), [inputs, *layer.parameters()])
                results.append([y, *grads, *(v.to(dtype) for v in layer.buffers())])
            assert len(results[0]) == len(results[1])
            for mine, wanted in zip(*results):
                torch.testing.assert_close(mine, wanted, rtol=tolerance, atol=tolerance)


def test_state_dicts_are_exchanged_with_torch():
    ours, theirs = BatchNorm2d(4), nn.BatchNorm2d(4)
    theirs(torch.randn(2, 4, 3, 3))
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name])
        assert value.dtype == theirs.state_dict()[name].dtype
    nn.BatchNorm2d(4).load_state_dict(ours.state_dict())


def test_folding_resnet18_leaves_its_logits():
    torch.manual_seed(0)
    net = torchvision.models.resnet18().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = net(x)
    short = copy.deepcopy(net)
    parents = [short, *(b for i in range(1, 5) for b in getattr(short, f"layer{i}"))]
    for parent in parents:
        for i in ("1", "2"):
            if hasattr(parent, f"bn{i}"):
                fold_batch_norm_(getattr(parent, f"conv{i}"), getattr(parent, f"bn{i}"))
                setattr(parent, f"bn{i}", nn.Identity())
        if getattr(parent, "downsample", None) is not None:
            parent.downsample = folded(parent.downsample)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in short.modules())
    with torch.no_grad():
        assert (short(x) - wanted).norm() < 1e-5 * wanted.norm()


def test_population_statistics_equal_torchs_update_bn():
    torch.manual_seed(0)
    batches = list(torch.randn(4, 8, 5))
    ours = nn.Sequential(
        nn.Linear(5, 6), BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3), BatchNorm1d(3)
    )
    theirs = nn.Sequential(
        nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3), nn.BatchNorm1d(3)
    )
    theirs.load_state_dict(ours.state_dict())
    update_bn_statistics(batches, ours)
    torch.optim.swa_utils.update_bn(batches, theirs)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-5, atol=1e-6)
