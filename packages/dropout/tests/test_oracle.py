"""Equality with torch's dropout and renorm, and with scikit-learn's Boltzmann machine."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.neural_network import BernoulliRBM
from torch import nn

import lessons.dropout as ours


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Dropout", (400, 500)), ("Dropout1d", (300, 200, 3)), ("Dropout1d", (60_000, 3)),
        ("Dropout2d", (300, 200, 2, 2)), ("Dropout2d", (300, 200, 4)),
        ("Dropout3d", (300, 200, 1, 2, 2)), ("Dropout3d", (60_000, 1, 2, 2)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.filterwarnings("ignore:dropout2d. Received a 3-D input")
def test_layers_are_torchs(name, size, p):
    torch.manual_seed(0)
    x = torch.randn(size).requires_grad_()
    kept = []
    for layer in (getattr(ours, name)(p), getattr(nn, name)(p)):
        y = layer(x)
        (dx,) = torch.autograd.grad(y.sum(), x)
        keep = y != 0
        # What is kept is x/(1 − p), to the last bit but one; its gradient is 1/(1 − p).
        torch.testing.assert_close(y[keep], x[keep] / (1 - p), rtol=2e-7, atol=0)
        torch.testing.assert_close(dx, keep / (1 - p), rtol=2e-7, atol=0)
        kept.append(keep.float().mean().item())
        assert torch.equal(layer.eval()(x), x)
        assert not layer.state_dict()
    units = x.numel() / (1 if name == "Dropout" else x[(0, 0) if len(size) > 2 else 0].numel())
    if len(size) == 4 and name == "Dropout3d":
        units = size[0]
    error = (p * (1 - p) / units) ** 0.5
    assert all(abs(k - (1 - p)) < 5 * error for k in kept)


def test_a_million_draws_beside_torchs():
    x = torch.ones(1_000_000)
    for p in (0.1, 0.5, 0.9):
        torch.manual_seed(1)
        error = (p * (1 - p) / x.numel()) ** 0.5
        for y in (ours.dropout(x, p), F.dropout(x, p)):
            assert abs((y != 0).double().mean().item() - (1 - p)) < 5 * error
            torch.testing.assert_close(y.max(), torch.tensor(1 / (1 - p)), rtol=2e-7, atol=0)


def test_small_tensors_get_torchs_own_mask():
    x = torch.randn(30, 40)
    torch.manual_seed(3)
    want = F.dropout(x, 0.3)
    torch.manual_seed(3)
    assert torch.equal(ours.Dropout(0.3)(x), want)


def test_constructors_take_what_torchs_take():
    for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d"):
        for args, named in (((), {}), ((0.3, True), {}), ((), {"p": 0.1, "inplace": True})):
            mine, theirs = (getattr(m, name)(*args, **named) for m in (ours, nn))
            assert (mine.p, mine.inplace) == (theirs.p, theirs.inplace)


def test_max_norm_is_renorm():
    w = torch.randn(60, 40) * torch.linspace(0, 2, 60)[:, None]
    want = torch.renorm(w, 2, 0, 3.0)  # adds 1e-7 to the norm
    torch.testing.assert_close(ours.max_norm_(w.clone(), 3.0), want, rtol=1e-6, atol=1e-6)


def test_machine_without_dropout_is_scikit_learns():
    rng = np.random.default_rng(0)
    v = rng.integers(0, 2, (30, 12)).astype(float)
    theirs = BernoulliRBM(n_components=7, n_iter=3, random_state=0).fit(v)
    rbm = ours.DropoutRBM(12, 7, 0.0, dtype=torch.float64)
    with torch.no_grad():
        rbm.weight.copy_(torch.from_numpy(theirs.components_))
        rbm.visible_bias.copy_(torch.from_numpy(theirs.intercept_visible_))
        rbm.hidden_bias.copy_(torch.from_numpy(theirs.intercept_hidden_))
        x = torch.from_numpy(v)
        np.testing.assert_allclose(rbm.hidden_probability(x), theirs.transform(v), rtol=1e-10)
        np.testing.assert_allclose(rbm.free_energy(x), theirs._free_energy(v), rtol=1e-10)
