"""Where torch's layers can stand, ours can: transforms, export, tracing, other default devices."""

import pytest
import torch
from torch import nn

import lessons.dropout as ours


class Behind(nn.Module):
    """A model with a layer in it."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(2 * x)


SIZES = [8, 4096]  # on both sides of the size from which the masks are ours


@pytest.mark.parametrize("n", SIZES)
def test_forward_mode_derivatives(n):
    x, t = torch.ones(n), torch.full((n,), 3.0)
    y, dy = torch.func.jvp(ours.Dropout(0.5), (x,), (t,))
    torch.testing.assert_close(dy, 3 * y)  # linear, with the mask of the value
    with torch.autograd.forward_ad.dual_level():
        dual = ours.Dropout(0.5)(torch.autograd.forward_ad.make_dual(x, t))
        y, dy = torch.autograd.forward_ad.unpack_dual(dual)
    torch.testing.assert_close(dy, 3 * y)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("randomness", ["same", "different"])
def test_mapped_over_cases(n, randomness):
    x = torch.ones(3, n)
    y = torch.vmap(ours.Dropout(0.3), randomness=randomness)(x)
    assert set((y * 0.7).round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(y[0], y[1]) == (randomness == "same")


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("randomness", ["same", "different"])
def test_channels_mapped_over_cases(dims, randomness):
    layer = getattr(ours, f"Dropout{dims}d")(0.5)
    x = torch.ones(4, 2, 64, *(5,) * dims)
    y = torch.vmap(layer, randomness=randomness)(x).flatten(3)
    assert torch.equal(y, y[..., :1].expand_as(y)), "a channel is dropped as a whole"
    assert y.unique().tolist() == [0.0, 2.0]
    assert torch.equal(y[0], y[1]) == (randomness == "same")


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (ours.Dropout(0.5), (4, 8)), (ours.Dropout(0.5), (4, 1024)),
        (ours.Dropout1d(0.5), (4, 8, 9)),
        (ours.Dropout2d(0.5), (4, 8, 9, 9)), (ours.Dropout3d(0.5), (4, 8, 3, 3, 3)),
        (ours.DropPath(0.5), (4, 8, 9)), (ours.Dropout(0.5, mode="paper"), (4, 1024)),
    ],
    ids=str,
)  # fmt: skip
def test_export_with_a_dynamic_batch(layer, size, train):
    net = Behind(layer).train(train)
    dynamic = {"x": {0: torch.export.Dim("batch", min=2, max=10_000)}}
    program = torch.export.export(net, (torch.ones(size),), dynamic_shapes=dynamic)
    for batch in (2, 7, 600):
        x = torch.ones(batch, *size[1:])
        y = program.module()(x)
        assert y.shape == x.shape
        if not train:
            torch.testing.assert_close(y, layer.eval()(2 * x))
    layer.train()


@pytest.mark.parametrize("n", [100, 5000])
def test_another_default_device(n):
    with torch.device("meta"):
        y = ours.dropout(torch.ones(n, device="cpu"), 0.5)
    assert y.device.type == "cpu"
    assert set(y.unique().tolist()) == {0.0, 2.0}


def test_the_inputs_name_is_torchs():
    assert ours.Dropout(0.5)(input=torch.ones(3)).shape == (3,)
