"""Statistics of other sets than one batch: processes together, parts, places, running averages.

Processes import this file, so it imports little.
"""

import copy

import pytest
import torch
import torch.multiprocessing
from torch import nn

from lessons.batch_norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchRenorm,
    GhostBatchNorm,
    PerActivationBatchNorm,
    SyncBatchNorm,
)

X = torch.randn(6, 4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 100
DY = torch.randn(X.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
PARTS = (slice(0, 2), slice(2, 6))  # the processes' batches differ in size


def outcome(norm, x, dy):
    """Return output, gradients, a gradient of the gradient, and the running statistics."""
    x = x.clone().requires_grad_()
    y = norm(x)
    gradients = torch.autograd.grad((y * dy).sum(), [x, *norm.parameters()], create_graph=True)
    (second,) = torch.autograd.grad((gradients[0] ** 3).sum(), x)
    return [t.detach() for t in (y, *gradients, second, *norm.buffers())]


def filled(norm):
    """Give a norm of 4 channels parameters that are not 1 and 0."""
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0, -1.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 3.0]))
    return norm


def process(rank, rendezvous, folder):
    """Normalize one part of the batch together with the other process."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rendezvous, rank=rank, world_size=2)
    norm = filled(SyncBatchNorm(4, dtype=torch.float64))
    results = outcome(norm, X[PARTS[rank]], DY[PARTS[rank]])
    lonely = SyncBatchNorm(4, dtype=torch.float64, momentum=None)
    try:  # one value a channel in each process is two together
        together = lonely(X[rank : rank + 1, :, 0, 0])
        torch.save([*results, together, lonely.running_var], f"{folder}/{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


def test_two_processes_equal_one_with_their_batches_together(tmp_path):
    torch.multiprocessing.spawn(process, (f"file://{tmp_path}/meet", str(tmp_path)), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    whole = outcome(filled(BatchNorm2d(4, dtype=torch.float64)), X, DY)
    y, dx, dweight, dbias, second, *running = whole
    for i, wanted in ((0, y), (1, dx), (4, second)):
        torch.testing.assert_close(torch.cat([p[i] for p in parts]), wanted, rtol=1e-9, atol=1e-9)
    for i, wanted in ((2, dweight), (3, dbias)):  # each process has its share
        torch.testing.assert_close(parts[0][i] + parts[1][i], wanted, rtol=1e-9, atol=1e-9)
        assert not torch.allclose(parts[0][i], wanted)
    for i, wanted in enumerate(running, 5):
        for part in parts:
            torch.testing.assert_close(part[i], wanted, rtol=1e-12, atol=1e-12)
    pairs = BatchNorm1d(4, dtype=torch.float64, momentum=None)
    wanted = pairs(X[:2, :, 0, 0])
    torch.testing.assert_close(torch.cat([p[8] for p in parts]), wanted, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(parts[0][9], pairs.running_var)


def test_alone_synchronized_statistics_are_batch_norm():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), BatchNorm2d(4), nn.ReLU())
    x = torch.randn(2, 3, 6, 6)
    twin = SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net))
    assert isinstance(twin[1], SyncBatchNorm)
    assert torch.equal(twin(x), net(x))
    assert twin.state_dict().keys() == net.state_dict().keys()
    assert torch.equal(twin[1].running_var, net[1].running_var)


def test_per_activation_statistics_are_those_of_each_place():
    x = torch.randn(8, 2, 3, 4) * torch.arange(1, 5) + torch.arange(3)[:, None]
    y = PerActivationBatchNorm((2, 3, 4))(x)
    torch.testing.assert_close(y.mean(0), torch.zeros(2, 3, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.var(0, correction=0), torch.ones(2, 3, 4), atol=1e-3, rtol=0)
    y = BatchNorm2d(2)(x)  # … which the convolutional form leaves different (§3.2)
    assert y.mean(0).abs().max() > 0.3


def test_ghost_batches_are_normalized_each_by_itself():
    x = torch.randn(6, 3, 4)
    ghost, plain = GhostBatchNorm(3, virtual_batch=2), BatchNorm1d(3)
    torch.testing.assert_close(ghost(x), torch.cat([plain(part) for part in x.split(2)]))
    torch.testing.assert_close(ghost.running_var, plain.running_var)
    assert ghost.num_batches_tracked == 3
    torch.testing.assert_close(ghost.eval()(x), plain.eval()(x))


def test_renormalization_without_room_is_batch_norm():
    x = torch.randn(6, 3, 4, requires_grad=True)
    renorm, plain = BatchRenorm(3, r_max=1, d_max=0), BatchNorm1d(3)
    y, wanted = renorm(x), plain(x)
    torch.testing.assert_close(y, wanted)
    (a,) = torch.autograd.grad((y**3).sum(), x)
    (b,) = torch.autograd.grad((wanted**3).sum(), x)
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(renorm.running_var, plain.running_var)


def test_renormalization_with_room_normalizes_as_in_evaluation():
    x = torch.randn(6, 3, 4) * 1.5 + 0.5
    renorm = BatchRenorm(3, momentum=0.0)
    renorm.running_mean.fill_(0.3)
    renorm.running_var.fill_(1.7)
    with torch.no_grad():
        renorm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        renorm.bias.copy_(torch.tensor([1.0, 0.0, 3.0]))
    torch.testing.assert_close(renorm(x), renorm.eval()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: GhostBatchNorm(3, 4)(torch.ones(6, 3)), r"virtual_batch \(4\) must divide N \(6\)"),
    (lambda: GhostBatchNorm(3, 0), "virtual_batch must be at least 1"),
    (lambda: PerActivationBatchNorm((2, 3))(torch.ones(4, 3, 2)), r"\(4, 3, 2\)"),
    (lambda: BatchRenorm(3, r_max=0.5), "r_max"),
    (lambda: BatchRenorm(3, momentum=None), "momentum"),
    (lambda: SyncBatchNorm(3, eps=0), "eps"),
])  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
