"""What the claims rest on, where the answer is known."""

import io

import pytest
import torch
from rich.console import Console

from lessons.lstm import LSTM1997, save
from lessons.lstm.claims import grammar, learning, remember
from lessons.lstm.claims.rival import Plain
from lessons.lstm.lab.run import Run


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_adam_is_torchs_where_nothing_is_clipped():
    net, other = (Plain(3, 4, 2, 1, seeded()) for _ in range(2))
    ours = learning.Adam(net, torch.tensor([0.01]), clip=1e9)
    theirs = torch.optim.Adam(other.parameters(), 0.01)
    for step in range(3):
        x = torch.randn(5, 1, 6, 3, generator=seeded(step))
        for each, optimizer in ((net, ours), (other, theirs)):
            each(x)[0].square().sum().backward()
            optimizer.step()
            each.zero_grad()
    for a, b in zip(net.parameters(), other.parameters()):
        torch.testing.assert_close(a, b)


def test_each_net_is_clipped_by_itself():
    net = Plain(3, 4, 2, 2, seeded())
    optimizer = learning.Adam(net, torch.tensor([0.0, 0.01]), clip=1.0)
    before = [w.detach().clone() for w in net.parameters()]
    x = torch.randn(5, 2, 6, 3, generator=seeded(1))
    y = net(x)[0]
    (y[:, 0].sum() + 1e6 * y[:, 1].sum()).backward()
    optimizer.step()
    assert all(torch.equal(w[0], b[0]) for w, b in zip(net.parameters(), before))
    assert any(not torch.equal(w[1], b[1]) for w, b in zip(net.parameters(), before))
    norms = sum((m[1] / 0.1).square().sum() for m in optimizer.first).sqrt()
    assert norms.item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("kind", ["tanh", "orthogonal", "identity"])
def test_plain_nets_are_torchs(kind):
    net = Plain(3, 4, 2, 2, seeded(), kind)
    x, lengths = torch.randn(7, 2, 5, 3, generator=seeded(1)), torch.full((2, 5), 7)
    y = net(x, lengths)[0]
    for i in range(2):
        theirs = torch.nn.RNN(3, 4, nonlinearity="relu" if kind == "identity" else "tanh")
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        values = (net.weight_x[i], net.weight_h[i], net.bias[i], torch.zeros(4))
        theirs.load_state_dict(dict(zip(names, values)))
        want = torch.sigmoid(theirs(x[:, i])[0][-1] @ net.weight_out[i].T + net.bias_out[i])
        torch.testing.assert_close(y[i], want)


def test_elmans_errors_go_back_one_step():
    net = Plain(3, 4, 2, 1, seeded(), reach=1)
    x = torch.randn(5, 1, 2, 3, generator=seeded(1), requires_grad=True)
    net(x)[0][-1].sum().backward()
    assert x.grad[-1].any()
    assert not x.grad[:-1].any()


def test_a_net_that_solves_its_task_is_found_out(tmp_path, monkeypatch):
    run = Run(tmp_path, scale="test")
    task = learning.task_of("xor 12")
    monkeypatch.setattr(learning, "task_of", lambda name: easy)
    easy = learning.dataclasses.replace(task, within=1.0)  # anything is right
    options = {"rates": [0.01], "nets": 2, "sequences": 640, "seed": 0}
    found = learning.learn(run, "xor 12", "lstm", **options)
    assert found["solved"] == [64, 64], "two batches of 32 in a row"
    assert found["wrong"] == [0, 0]
    assert found["weights"]["weight_out"]
    easy = learning.dataclasses.replace(task, within=0.0)
    assert learning.learn(run, "xor 12", "lstm", **options)["solved"] == [None, None]


def test_learned_in_time_or_not():
    assert grammar.within({"solved": [100, None, 300]}, 200) == [1.0, 0.0, 0.0]


def test_a_net_is_asked_for_a_sum(tmp_path):
    net, out = LSTM1997.from_preset("exp4", seeded()), io.StringIO()
    save(tmp_path / "net.safetensors", net.state_dict())
    console = Console(file=out, width=200)
    given = ["0.3", "-0.7", "--gap", "20", "--model"]
    assert remember.main([*given, str(tmp_path / "net.safetensors")], console) == 0
    assert "the sum is -0.400" in out.getvalue()
    x = remember.question(0.3, -0.7, 20, seeded())
    assert (x[..., 1] == 1).sum() == 2
    whole = 4 * (net(x)[0][-1].item() - 0.5)
    assert f"{whole:+.3f} after 20" in out.getvalue()
    assert remember.main([*given, str(tmp_path / "none")], console) == 1
    assert "--claim C4a" in out.getvalue()
