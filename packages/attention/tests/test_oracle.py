"""Equality with an implementation of the appendix in NumPy, with torch.nn.GRU, and with autograd.

The NumPy model shares no line with the package: one sentence, one word and one position at a time.
"""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from lessons.attention import (
    Adadelta,
    AdditiveAttention,
    GatedUnit,
    RNNencdec,
    RNNsearch,
    TranslatorConfig,
    clip_gradient,
    from_keras_gru,
    from_torch_gru,
    score,
    to_keras_gru,
    to_torch_gru,
)
from lessons.attention import encoder as encoder_module
from lessons.attention import model as model_module
from lessons.attention.encoder import run

SMALL = TranslatorConfig(
    source_vocab_size=30, target_vocab_size=20, embedding_size=4, encoder_size=5, decoder_size=6,
    alignment_size=3, maxout_size=4,
)  # fmt: skip
ORDERS = [("previous", "previous"), ("current", "previous"), ("previous", "current")]
SRC = torch.tensor([[7, 9, 3, 29, 4], [5, 6, 0, 0, 0], [8, 0, 0, 0, 0]])
LENGTHS = torch.tensor([5, 2, 1])
TGT = torch.tensor([[4, 19, 6, 2], [7, 2, 0, 0], [5, 5, 2, 0]])


def made(search=True, seed=0, **changes):
    config = dataclasses.replace(SMALL, bidirectional=search, **changes)
    net = (RNNsearch if search else RNNencdec)(config).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.6, generator=generator)
    return net


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def by_numpy(net, src, tgt):
    """Return log p(y_i | …) for all words, and α, of one sentence: A.2.1 and A.2.2."""
    c = net.config
    w = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    n, h = c.encoder_size, c.decoder_size

    def gated(unit, x, s, context=None):
        size = len(s)
        wx, b, u = w[f"{unit}.weight_input"], w[f"{unit}.bias"], w[f"{unit}.weight_gates"]
        inside = wx @ x + b
        if context is not None:
            inside = inside + w[f"{unit}.weight_context"] @ context
        z = sigmoid(inside[:size] + u[:size] @ s)
        r = sigmoid(inside[size : 2 * size] + u[size:] @ s)
        proposed = np.tanh(inside[2 * size :] + w[f"{unit}.weight_state"] @ (r * s))
        return (1 - z) * s + z * proposed

    embedded = [w["encoder.embedding.weight"][i] for i in src]
    forward, backward = [np.zeros(n)], [np.zeros(n)]
    for x in embedded:
        forward.append(gated("encoder.forward_unit", x, forward[-1]))
    for x in reversed(embedded):
        if c.bidirectional:
            backward.append(gated("encoder.backward_unit", x, backward[-1]))
    backward = backward[:0:-1]
    first = backward[0] if c.bidirectional else forward[-1]
    s = np.tanh(w["start.weight"] @ first + w["start.bias"])
    table = w["embedding.weight"]
    logs, alphas = [], []
    for i, word in enumerate(tgt):
        before = table[tgt[i - 1]] if i else np.zeros(c.embedding_size)
        if isinstance(net, RNNencdec):
            context = forward[-1]
        else:
            energies = []
            for j in range(len(src)):
                note = np.concatenate([forward[j + 1], backward[j]])
                bent = w["attention.query.weight"] @ s + w["attention.key.weight"] @ note
                energies.append(w["attention.energy"] @ np.tanh(bent))
            alpha = softmax(np.array(energies))
            notes = [np.concatenate([forward[j + 1], backward[j]]) for j in range(len(src))]
            context = sum(a * note for a, note in zip(alpha, notes))
            alphas.append(alpha)
        seen = table[word] if c.update_word == "current" else before
        after = gated("unit", seen, s, context)
        read = s if c.readout_state == "previous" else after
        inside = w["readout.state.weight"] @ read + w["readout.state.bias"]
        inside = inside + w["readout.word.weight"] @ before + w["readout.context.weight"] @ context
        t = np.array([max(inside[2 * k], inside[2 * k + 1]) for k in range(c.maxout_size)])
        p = softmax(w["readout.output.weight"] @ t + w["readout.output.bias"])
        logs.append(np.log(p[word]))
        s = after
    assert h == len(s)
    return np.array(logs), np.array(alphas)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("search", [True, False])
def test_probabilities_and_alignments_are_those_of_the_appendix(search, order):
    net = made(search, readout_state=order[0], update_word=order[1])
    logits, alpha = net(SRC, LENGTHS, TGT)
    logs = logits.log_softmax(-1).gather(-1, TGT[..., None])[..., 0]
    sums = score(net, SRC, LENGTHS, TGT)
    for b, (n, t) in enumerate(zip(LENGTHS.tolist(), (4, 2, 3))):
        want, weights = by_numpy(net, SRC[b, :n].tolist(), TGT[b, :t].tolist())
        np.testing.assert_allclose(logs[b, :t].detach().numpy(), want, rtol=1e-12)
        np.testing.assert_allclose(sums[b].item(), want.sum(), rtol=1e-12)
        if search:
            np.testing.assert_allclose(alpha[b, :t, :n].detach().numpy(), weights, rtol=1e-11)
            assert (alpha[b, :, n:] == 0).all()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("search", [True, False])
def test_the_written_gradient_is_autograds(search, order, monkeypatch):
    net = made(search, readout_state=order[0], update_word=order[1])
    found = []
    for written in (True, False):
        if not written:
            for module in (model_module, encoder_module):
                monkeypatch.setattr(module, "fast", lambda *tensors: False)
        logits, alpha = net(SRC, LENGTHS, TGT)
        loss = logits.sin().sum() + (0 if alpha is None else alpha.square().sum())
        found.append([logits, *torch.autograd.grad(loss, list(net.parameters()))])
    for ours, autograds in zip(*found):
        torch.testing.assert_close(ours, autograds, rtol=1e-9, atol=1e-12)


def test_more_than_is_kept_is_computed_again(monkeypatch):
    net = made()
    found = []
    for kept in (1 << 26, 1):
        monkeypatch.setattr("lessons.attention.scan.KEPT", kept)
        loss = net.loss(SRC, LENGTHS, TGT)
        found.append(torch.autograd.grad(loss, list(net.parameters())))
    for a, b in zip(*found):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("search", [True, False])
def test_second_derivatives_are_those_of_the_readable_path(search, monkeypatch):
    net = made(search)
    found = []
    for written in (True, False):
        if not written:
            for module in (model_module, encoder_module):
                monkeypatch.setattr(module, "fast", lambda *tensors: False)
        loss, weights = net.loss(SRC, LENGTHS, TGT), list(net.parameters())
        first = torch.autograd.grad(loss, weights, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), weights)
        found.append([*first, *second])
    for ours, readable in zip(*found):
        torch.testing.assert_close(ours, readable, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("search", [True, False])
def test_gradients_are_differences_of_the_loss(search):
    net = made(search)
    names, values = zip(*((k, v.detach().clone()) for k, v in net.named_parameters()))

    def loss(*weights):
        return torch.func.functional_call(net, dict(zip(names, weights)), (SRC, LENGTHS, TGT))[0]

    some = [v.requires_grad_(not k.startswith("readout.output")) for k, v in zip(names, values)]
    assert torch.autograd.gradcheck(loss, some, fast_mode=True)


def torchs(seed=0):
    theirs = nn.GRU(4, 6, batch_first=True).double()
    for parameter in theirs.parameters():
        parameter.data.normal_(0, 0.6, generator=torch.Generator().manual_seed(seed))
    return theirs


def test_reset_after_the_product_is_torchs_gru():
    theirs = torchs()
    ours = from_torch_gru(theirs.state_dict())
    x = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=1e-13, atol=1e-14)
    back = to_torch_gru(ours)
    theirs.load_state_dict(back)
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=1e-13, atol=1e-14)


def test_the_papers_unit_is_another_than_torchs_unless_its_matrix_is_diagonal():
    theirs = torchs()
    for diagonal in (False, True):
        state = {name: value.clone() for name, value in theirs.state_dict().items()}
        if diagonal:  # r ∘ (U s) = U (r ∘ s), and no bias within
            state["weight_hh_l0"][12:] = torch.diag(state["weight_hh_l0"][12:].diagonal())
            state["bias_hh_l0"][12:] = 0
        after = from_torch_gru(state)
        before = GatedUnit(4, 6).double()
        own = {k: v for k, v in after.state_dict().items() if k != "bias_state"}
        before.load_state_dict(own)
        x = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        theirs.load_state_dict(state)
        apart = (before(x) - theirs(x)[0]).abs().max().item()
        assert apart < 1e-14 if diagonal else apart > 0.1


def keras_gru(kernel, recurrent, bias, x):
    """Keras' documented GRU(reset_after=False) for one sequence: columns z, r, h."""
    h = len(recurrent)
    state, states = np.zeros(h), []
    for row in x:
        inside = row @ kernel + bias
        z = sigmoid(inside[:h] + state @ recurrent[:, :h])
        r = sigmoid(inside[h : 2 * h] + state @ recurrent[:, h : 2 * h])
        new = np.tanh(inside[2 * h :] + (r * state) @ recurrent[:, 2 * h :])
        state = z * state + (1 - z) * new
        states.append(state)
    return np.array(states)


def test_weights_of_keras_there_and_back():
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=shape) for shape in ((4, 15), (5, 15), (15,))]
    unit = from_keras_gru(arrays)
    x = generator.normal(size=(1, 7, 4))
    np.testing.assert_allclose(
        unit(torch.from_numpy(x))[0].detach().numpy(), keras_gru(*arrays, x[0]), rtol=1e-12
    )
    for a, b in zip(arrays, to_keras_gru(unit)):
        np.testing.assert_array_equal(a, b)


def test_keras_itself():
    keras = pytest.importorskip("keras", reason="pip install keras, KERAS_BACKEND=torch")
    unit = GatedUnit(4, 5, generator=torch.Generator().manual_seed(0))
    layer = keras.layers.GRU(5, reset_after=False, return_sequences=True)
    x = torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(1))
    layer.build((2, 7, 4))
    layer.set_weights(to_keras_gru(unit))
    theirs = torch.as_tensor(np.array(layer(x.numpy()).detach().cpu()))
    torch.testing.assert_close(unit(x), theirs, rtol=1e-5, atol=1e-6)


def test_keras_additive_attention():
    keras = pytest.importorskip("keras", reason="pip install keras, KERAS_BACKEND=torch")
    ours = AdditiveAttention(6, 10, 5)
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    query, notes = torch.randn(2, 3, 6), torch.randn(2, 7, 10)
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    layer = keras.layers.AdditiveAttention(use_scale=True)
    given = [ours.query(query).detach(), notes, ours.keys(notes).detach()]
    layer.build([x.shape for x in given])
    layer.set_weights([ours.energy.detach().numpy()])
    contexts, weights = layer(given, mask=[None, mask], return_attention_scores=True)
    for theirs, mine in zip((contexts, weights), ours(query, notes, mask)):
        theirs = torch.as_tensor(np.array(theirs.detach().cpu()))
        torch.testing.assert_close(mine.detach(), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_two_directions_side_by_side_are_each_alone(reset):
    units = [GatedUnit(3, 4, reset=reset).double() for _ in range(2)]
    x = torch.randn(2, 5, 6, 3, dtype=torch.float64)
    for unit, inputs, states in zip(units, x, run(units, list(x))):
        torch.testing.assert_close(states, unit(inputs), rtol=1e-12, atol=1e-14)


def test_adadelta_is_torchs():
    ours, theirs = made(), made()
    optimizers = [
        Adadelta(ours.parameters()),
        torch.optim.Adadelta(theirs.parameters(), lr=1.0, rho=0.95, eps=1e-6),
    ]
    for _ in range(5):
        for net, optimizer in zip((ours, theirs), optimizers):
            optimizer.zero_grad()
            net.loss(SRC, LENGTHS, TGT).backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-13)


def test_a_state_of_adadelta_goes_both_ways():
    def stepped(optimizer, weight):
        weight.grad = torch.tensor([1.0, -2.0, 0.5])
        optimizer.step()
        return weight.detach().clone()

    weights = [nn.Parameter(torch.ones(3)) for _ in range(4)]
    ours, theirs = (
        Adadelta(weights[:1], lr=0.5),
        torch.optim.Adadelta(weights[1:2], lr=0.5, rho=0.95),
    )
    torch.testing.assert_close(stepped(ours, weights[0]), stepped(theirs, weights[1]))
    crossed = Adadelta(weights[2:3]), torch.optim.Adadelta(weights[3:])
    states = copy.deepcopy((ours.state_dict(), theirs.state_dict()))
    crossed[0].load_state_dict(states[1])
    groups = states[1]["param_groups"]  # torch's has options that ours has not
    crossed[1].load_state_dict({**states[0], "param_groups": groups})
    for optimizer, weight, other, its in zip(crossed, weights[2:], (theirs, ours), weights[1::-1]):
        weight.data.copy_(its.data)
        torch.testing.assert_close(stepped(optimizer, weight), stepped(other, its))
    torch.optim.lr_scheduler.StepLR(crossed[0], 1)
    crossed[0].load_state_dict(
        torch.optim.Adadelta(weights[3:], weight_decay=0.1, maximize=True).state_dict()
    )
    with pytest.raises(ValueError, match="no weight_decay and no maximize"):
        crossed[0].step()


def test_one_weight_is_shortened_too_and_a_sparse_gradient_refused():
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.full((3,), 5.0)
    assert clip_gradient(weight, 1.0) == pytest.approx(75**0.5)
    assert weight.grad.norm().item() == pytest.approx(1.0)
    table = nn.Embedding(5, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match="dense gradients"):
        Adadelta(table.parameters()).step()


@pytest.mark.parametrize("longest", [1e-3, 1e3])
def test_the_gradients_limit_is_torchs(longest):
    nets = [made(), made()]
    for net in nets:
        net.loss(SRC, LENGTHS, TGT).backward()
    norm = clip_gradient(nets[0].parameters(), longest)
    assert norm == pytest.approx(
        float(nn.utils.clip_grad_norm_(nets[1].parameters(), longest)), rel=1e-12
    )
    for a, b in zip(nets[0].parameters(), nets[1].parameters()):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-2 if longest < norm else 0, atol=1e-12)
