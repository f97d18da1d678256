"""Back-propagation through time for modules: whole, in pieces, truncated, by epochs."""

import pytest
import torch
from torch import nn

from lessons.rnn import RNN, ElmanConfig, ElmanNet, bptt, epochwise, tbptt

T, B = 30, 3


class Two(nn.Module):
    """A tanh layer under a GRU, whose state is a tuple."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.low, self.high = RNN(4, 5), nn.GRU(5, 3)
        self.double()

    def forward(self, x, state=None):
        low, high = state or (None, None)
        output, low = self.low(x, low)
        output, high = self.high(output, high)
        return output, (low, high)


def squares(output, y):
    return (output - y).square().sum()


def data(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(T, B, n, generator=generator, dtype=torch.float64) for n in (4, 3))


def gradients(model):
    found = [weight.grad.clone() for weight in model.parameters()]
    model.zero_grad()
    return found


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("every", [None, 1, 7, 10, 30, 99])
def test_pieces_give_the_gradient_of_the_whole(every, begun):
    model, (x, y) = Two(), data()
    state = model(x[:4])[1] if begun else None
    detached = None if state is None else tuple(v.detach() for v in state)
    output, last = model(x, detached)
    want_loss = squares(output, y)
    want_loss.backward()
    want = gradients(model)
    loss, final = bptt(model, x, y, squares, state=state, every=every)
    torch.testing.assert_close(loss, want_loss.detach())
    for a, b in zip((*final, *gradients(model)), (*last, *want)):
        torch.testing.assert_close(a, b)
    assert not any(v.requires_grad for v in final)


def test_pieces_keep_a_short_tape():
    x, y = torch.randn(1000, 4, 8), torch.randn(1000, 4, 16)
    layer, kept = RNN(8, 16), []

    def bytes_kept(call):
        """The most bytes of tensors on the tape at a time, x and weights apart."""
        alive, most = {}, 0

        def pack(tensor):
            nonlocal most
            alive[id(token := [tensor])] = tensor.numel() * tensor.element_size()
            most = max(most, sum(alive.values()))
            return token

        def unpack(token):
            alive.pop(id(token), None)
            return token[0]

        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            call()
        kept.append(most)

    def plain():
        cell, h, loss = nn.RNNCell(8, 16), torch.zeros(4, 16), 0.0
        for t in range(1000):
            h = cell(x[t], h)
            loss = loss + (h - y[t]).square().sum()
        loss.backward()

    bytes_kept(plain)
    bytes_kept(lambda: bptt(layer, x, y, squares, every=32))
    assert kept[1] < kept[0] / 4


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 4), (3, 3), (4, 9), (30, 30), (10, 30)])
def test_truncated_gradients_see_k2_steps_and_no_more(k1, k2):
    model, (x, y) = Two(), data()
    found = []
    loss, final = tbptt(model, x, y, squares, k1, k2, lambda: found.append(gradients(model)))
    output, last = model(x)
    torch.testing.assert_close(loss, squares(output, y).detach())  # the weights did not change
    for a, b in zip(final, last):
        torch.testing.assert_close(a, b)
    ends = [*range(k1, T, k1), T]
    assert len(found) == len(ends)
    for got, end in zip(found, ends):
        new = (end - 1) // k1 * k1
        begin = max(0, end - k2)
        if end % k1:  # the last piece is shorter, and begins at the next state that was kept
            begin = max(0, end - end % k1 + k1 - k2)
        state = tuple(v.detach() for v in model(x[:begin])[1]) if begin else None
        output, _ = model(x[begin:end], state)
        squares(output[new - begin :], y[new:end]).backward()
        for a, b in zip(got, gradients(model)):
            torch.testing.assert_close(a, b)


def test_epochs_start_anew():
    model, (x, y) = Two(), data()
    found = []
    total = epochwise(model, x, y, squares, 12, lambda: found.append(gradients(model)))
    losses = []
    for got, part in zip(found, (slice(0, 12), slice(12, 24), slice(24, 30))):
        loss = squares(model(x[part])[0], y[part])
        loss.backward()
        losses.append(loss.item())
        for a, b in zip(got, gradients(model)):
            torch.testing.assert_close(a, b)
    assert len(found) == 3
    assert total.item() == pytest.approx(sum(losses), rel=1e-5)


def test_elmans_own_gradient_is_that_of_one_step():
    torch.manual_seed(0)
    net = ElmanNet(ElmanConfig(2, 4, 1))
    x = torch.randn(9, 3, 2)
    net(x)[0].square().sum().backward()
    with torch.no_grad():
        states = net.hidden(x)[0]
    before = torch.cat([torch.zeros(1, 3, 4), states[:-1]])  # one more input, and no more
    hidden = net.hidden
    inner = x @ hidden.weight_ih_l0.T + before @ hidden.weight_hh_l0.T
    inner = (inner + hidden.bias_ih_l0 + hidden.bias_hh_l0).sigmoid()
    want = torch.autograd.grad(net.output(inner).square().sum(), tuple(net.parameters()))
    for weight, gradient in zip(net.parameters(), want):
        torch.testing.assert_close(weight.grad, gradient)


def test_the_whole_past_is_back_propagation():
    torch.manual_seed(0)
    net = ElmanNet(ElmanConfig(2, 4, 1, truncate=None))
    x = torch.randn(9, 3, 2)
    net(x)[0].square().sum().backward()
    got = gradients(net)
    net.output(net.hidden(x)[0]).square().sum().backward()
    for a, b in zip(got, gradients(net)):
        torch.testing.assert_close(a, b)


LAYER = RNN(4, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, y: tbptt(LAYER, x, y, squares, 5, 4, list), "k1 = 5, k2 = 4"),
        (lambda x, y: tbptt(LAYER, x, y, squares, 0, 4, list), "k1 must be at least 1"),
        (lambda x, y: bptt(LAYER, x, y[:3], squares), "the same T > 0"),
        (lambda x, y: bptt(LAYER, x[:0], y[:0], squares), r"\(T, B, …\)"),
        (lambda x, y: bptt(LAYER, x[:, 0, 0], y, squares), r"\(T, B, …\)"),
        (lambda x, y: bptt(LAYER, x, y, squares, every=0), "every must be at least 1"),
        (lambda x, y: epochwise(LAYER, x, y, squares, 0, list), "length must be at least 1"),
        (lambda x, y: ElmanNet(ElmanConfig(4))(x[0]), r"\(T, B, I\) with T > 0 and I = 4"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call(*(v.float() for v in data()))
