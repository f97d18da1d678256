"""Elman's and Jordan's nets, the net that writes, gradients in flow, and files of weights."""

import math

import pytest
import torch
from torch import nn

from lessons.rnn import (
    RNN,
    CharConfig,
    CharRNN,
    ElmanConfig,
    ElmanNet,
    FullyRecurrent,
    JordanConfig,
    JordanNet,
    as_tanh,
    clip_grad,
    from_torch,
    gradient_norms,
    identity_,
    load,
    orthogonal_,
    save,
    spectral_radius,
    to_torch,
    with_radius_,
)
from lessons.rnn.char import GENESIS, KJV


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(text=GENESIS, **options):
    torch.manual_seed(0)
    return CharRNN(CharConfig("".join(sorted(set(text))), hidden_size=32, **options))


def test_jordans_net_remembers_its_outputs():
    torch.manual_seed(0)
    net = JordanNet(JordanConfig(2, 4, 1, decay=0.5))
    x = torch.randn(5, 3, 2)
    outputs, memory = net(x)
    want = torch.zeros(3, 1)
    for t in range(5):
        hidden = torch.sigmoid(net.hidden(torch.cat([x[t], want], 1)))
        output = torch.sigmoid(net.output(hidden))
        torch.testing.assert_close(outputs[t], output)
        want = 0.5 * want + output
    torch.testing.assert_close(memory, want)
    targets = torch.rand(5, 3, 1)
    _, taught = net(x, targets=targets)
    torch.testing.assert_close(taught, sum(0.5 ** (4 - t) * targets[t] for t in range(5)))


def test_elman_presets_and_seeds():
    net = ElmanNet.from_preset("temporal-xor", seeded())
    count = sum(weight.numel() for weight in net.parameters())
    assert count == (2 * 1 + 2 * 2 + 2 + 2) + (2 + 1)  # two biases a unit, as torch has them
    again = ElmanNet.from_preset("temporal-xor", seeded())
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters()))
    assert ElmanNet.from_preset("temporal-xor", hidden_size=4).hidden.hidden_size == 4


@pytest.mark.parametrize(
    ("kind", "name"), [(ElmanNet, "temporal-xor"), (CharRNN, "kjv-128"), (CharRNN, "kjv-512")]
)
def test_a_generator_changes_the_draw_and_not_what_is_drawn_from(kind, name):
    torch.manual_seed(3)
    default = kind.from_preset(name)
    drawn = kind.from_preset(name, seeded(3))  # the same stream of numbers
    for (key, a), (_, b) in zip(default.named_parameters(), drawn.named_parameters()):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=0, msg=key)
    assert not torch.equal(next(drawn.parameters()), next(kind.from_preset(name).parameters()))


@pytest.mark.parametrize(("name", "hidden"), [("kjv-512", 512), ("kjv-128", 128)])
def test_sizes_of_nets_that_write(name, hidden):
    net = CharRNN.from_preset(name, device="meta")
    v = len(KJV)
    count = hidden * (v + hidden + 2) + v * (hidden + 1)
    assert sum(weight.numel() for weight in net.parameters()) == count
    assert v == 65
    assert hidden != 512 or count == 329_793


def test_what_is_written_is_drawn_from_what_is_told():
    net = small()
    state, ids = None, net.encode("In the beginning")
    for i in range(len(ids)):  # the state carries all that was read
        logits, state = net(ids[i : i + 1, None], state)
    torch.testing.assert_close(logits[-1, 0], net(ids[:, None])[0][-1, 0])
    best = net.generate("In the beginning", 1, temperature=0)
    assert best == net.decode(logits[-1, 0].argmax()[None])
    assert net.generate("In", 30, top_k=1) == net.generate("In", 30, temperature=0)
    first = net.generate("In", 30, generator=seeded(1))
    assert first == net.generate("In", 30, generator=seeded(1)) != net.generate("In", 30)
    drawn = [net.generate("In", 1, 0.5, 3, seeded(i)) for i in range(300)]
    scores = net(net.encode("In")[:, None])[0][-1, 0]
    values, places = scores.topk(3)
    shares = (values / 0.5).softmax(0).tolist()
    for place, p in zip(places.tolist(), shares):
        count = drawn.count(net.config.alphabet[place])
        assert abs(count / 300 - p) < 5 * math.sqrt(p * (1 - p) / 300)
    assert net.generate("In", 0) == ""


def test_a_paragraph_is_learned_by_heart():
    net = small()
    ids = net.encode(GENESIS)[:, None]
    before = net.bits_per_character(GENESIS)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        logits, _ = net(ids[:-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        clip_grad(net.parameters(), 1.0)
        optimizer.step()
    after = net.bits_per_character(GENESIS)
    assert 4 < before < 6  # log₂ 39 is 5.3
    assert after < 0.75 * before
    with torch.no_grad():
        logits = net(ids[:-1])[0].flatten(0, 1)
    want = nn.functional.cross_entropy(logits, ids[1:].flatten()).item() / math.log(2)
    assert after == pytest.approx(want, rel=1e-5)


def test_radius_and_norms():
    weight = torch.randn(20, 20, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(spectral_radius(with_radius_(weight, 0.7)).item(), 0.7)
    assert spectral_radius(torch.eye(3).expand(4, 3, 3)).tolist() == [1.0] * 4


@pytest.mark.parametrize("kind", ["tanh", "relu", "logistic"])
def test_norms_are_those_of_autograds_jacobians(kind):
    torch.manual_seed(0)
    layer = RNN(3, 6, nonlinearity=kind, dtype=torch.float64)
    x = torch.randn(7, 2, 3, dtype=torch.float64)
    norms = gradient_norms(layer, x)
    states = layer(x)[0].detach()
    for q in range(7):
        for b in range(2):
            rest = x[7 - q :, b : b + 1]

            def last(h, rest=rest):
                return layer(rest, h[None, None])[1][0, 0] if len(rest) else h

            jacobian = torch.func.jacrev(last)(states[6 - q, b])
            torch.testing.assert_close(norms[q, b], torch.linalg.matrix_norm(jacobian, 2))


def test_orthogonal_and_identity_starts_keep_gradients():
    torch.manual_seed(0)
    layer = orthogonal_(RNN(3, 16, bias=False))
    weight = layer.weight_hh_l0.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(16))
    norms = gradient_norms(layer, torch.zeros(50, 1, 3))  # linear at zero
    torch.testing.assert_close(norms, torch.ones(50, 1))
    irnn = identity_(RNN(3, 16, nonlinearity="relu"))
    x = torch.rand(50, 2, 3)
    with torch.no_grad():
        irnn.weight_ih_l0.abs_()
    torch.testing.assert_close(irnn(x)[0], (x @ irnn.weight_ih_l0.T).cumsum(0))
    torch.testing.assert_close(gradient_norms(irnn, x), torch.ones(50, 2))


def test_clipping_is_torchs_above_the_threshold_and_nothing_below():
    for scale in (0.01, 100.0):
        ours, theirs = nn.Linear(4, 3), nn.Linear(4, 3)
        for layer in (ours, theirs):
            torch.manual_seed(0)
            for weight in layer.parameters():
                weight.grad = scale * torch.randn_like(weight)
        norm = clip_grad(ours.parameters(), 1.0)
        torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs.parameters(), 1.0))
        for a, b in zip(ours.parameters(), theirs.parameters()):
            torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-6)
    ours.weight.grad[0, 0] = math.inf
    before = ours.bias.grad.clone()
    assert clip_grad(ours.parameters(), 1.0) == math.inf
    assert torch.equal(ours.bias.grad, before)
    assert clip_grad([torch.zeros(3)], 1.0) == 0


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_files_and_their_wrappers(name, tmp_path):
    state = RNN(5, 7, 2).state_dict()
    if name.endswith("pt"):
        wrapped = {"state_dict": {f"module._orig_mod.{k}": v for k, v in state.items()}, "epoch": 3}
        torch.save(wrapped, tmp_path / name)
    else:
        save(tmp_path / name, state | {"twice": state["weight_hh_l0"]})
        assert list(tmp_path.iterdir()) == [tmp_path / name]
        loaded = load(tmp_path / name)
        assert torch.equal(loaded.pop("twice"), state["weight_hh_l0"])
        save(tmp_path / name, loaded)
    got = load(tmp_path / name)
    assert set(got) == set(state)
    assert all(torch.equal(got[k], state[k]) for k in state)


class Mine:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x80\x02]q\x00.", b"PK\x03\x04" + 90 * b"x"])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_damaged_files_are_named(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        load(tmp_path / name)


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    torch.save({"weight": Mine()}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"w\.pt holds no weights that can be read: it holds more"):
        load(tmp_path / "w.pt")
    assert "executed" not in capsys.readouterr().out
    for content in ([1, 2], torch.ones(3), {}, {"a": 1}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(ValueError, match=r"w\.pt"):
            load(tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "none.pt")


RNN_STATE = RNN(5, 7).state_dict()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ElmanNet(ElmanConfig(1, 2, 0)), "got 0 and 1"),
        (lambda: ElmanNet(ElmanConfig(truncate=0)), "must be at least 1, got 1 and 0"),
        (lambda: ElmanNet.from_preset("xor"), "temporal-xor"),
        (lambda: JordanNet(JordanConfig(1, 0, 1)), "1, 0, 1"),
        (lambda: JordanNet(JordanConfig(1, 2, 1, decay=1.0)), r"\[0, 1\), got 1.0"),
        (lambda: JordanNet(JordanConfig(1, 2, 1, nonlinearity="sin")), "'sin'"),
        (lambda: JordanNet(JordanConfig(1, 2, 1))(torch.ones(3, 1)), r"\(T, B, I\)"),
        (lambda: CharRNN(CharConfig("aa")), "each once"),
        (lambda: CharRNN.from_preset("gpt"), "kjv-512"),
        (lambda: small().encode("naïve"), "'v?ï"),
        (lambda: small().generate("", 3), "prompt must have a character"),
        (lambda: small().generate("In", 3, top_k=0), "top_k at least 1"),
        (lambda: small().generate("In", 3, temperature=-1.0), "at least 0"),
        (lambda: small()(torch.ones(3, 1)), r"\(T, B\) integers"),
        (lambda: small()(torch.ones(3, dtype=torch.long)), r"\(T, B\) integers"),
        (lambda: small().bits_per_character("I"), "two characters"),
        (lambda: spectral_radius(torch.ones(2, 3)), r"square, is \(2, 3\)"),
        (lambda: gradient_norms(RNN(2, 3, 2), torch.ones(4, 1, 2)), "one layer in one direction"),
        (lambda: clip_grad([], 0.0), "above 0, got 0.0"),
        (lambda: from_torch(nn.LSTM(5, 7).state_dict()), "28 rows for 7 units"),
        (lambda: from_torch({"weight": torch.ones(2)}), "weight_ih_l0"),
        (lambda: from_torch(RNN_STATE | {"x": torch.ones(1)}), "unexpected x"),
        (lambda: from_torch({**RNN_STATE, "bias_hh_l0": torch.ones(3)}), r"is \(3,\)"),
        (
            lambda: from_torch({**RNN_STATE, "bias_hh_l0": torch.ones(7).double()}),
            "of one floating",
        ),
        (lambda: to_torch(RNN(5, 7, nonlinearity="logistic")), "no logistic units"),
        (lambda: as_tanh(FullyRecurrent(2, 0)), "no inputs"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
