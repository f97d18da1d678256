"""The recurrent networks: the paper's equations, sequences, sizes, bad input."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lessons.layer_norm import (
    LayerNormGRU,
    LayerNormGRUCell,
    LayerNormLSTM,
    LayerNormLSTMCell,
    LayerNormRNN,
    LayerNormRNNCell,
)
from lessons.layer_norm.claims.dynamics import blank_steps

CELLS = [LayerNormRNNCell, LayerNormLSTMCell, LayerNormGRUCell]
NETWORKS = [LayerNormRNN, LayerNormLSTM, LayerNormGRU]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomized(module, seed=0):
    """Return the module in float64 with random gains and biases, so that a swap shows."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    for name, p in module.named_parameters():
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        p.data = 0.4 * noise + name.startswith("gain")
    return module


def ln(z, gain, bias):
    return F.layer_norm(z, gain.shape, gain, bias, 1e-5)


def test_rnn_is_eq_4():
    cell, x, h = randomized(LayerNormRNNCell(3, 5)), normal(2, 3), normal(2, 5, seed=1)
    a = h @ cell.weight_hh.T + x @ cell.weight_ih.T
    torch.testing.assert_close(cell(x, h), ln(a, cell.gain, cell.bias).tanh())


def test_lstm_is_eqs_20_to_22():
    cell, x = randomized(LayerNormLSTMCell(3, 5)), normal(2, 3)
    h, c = normal(2, 5, seed=1), normal(2, 5, seed=2)
    gates = ln(h @ cell.weight_hh.T, cell.gain_hh, cell.bias_hh)
    gates = gates + ln(x @ cell.weight_ih.T, cell.gain_ih, cell.bias_ih)
    i, f, g, o = gates.chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * ln(c, cell.gain_c, cell.bias_c).tanh()
    torch.testing.assert_close(cell(x, (normal(2, 5, seed=1), normal(2, 5, seed=2))), (h, c))


def test_lstm_with_norm_at_the_output_is_eqs_29_to_31():
    cell, x = randomized(LayerNormLSTMCell(3, 5, variant="output")), normal(2, 3)
    state = (normal(2, 5, seed=1), normal(2, 5, seed=2))
    plain = nn.LSTMCell(3, 5).double()
    plain.load_state_dict({k: v for k, v in cell.state_dict().items() if not k.endswith("_c")})
    c = plain(x, state)[1]
    o = (x @ cell.weight_ih.T + state[0] @ cell.weight_hh.T + cell.bias_ih + cell.bias_hh)[:, 15:]
    h = o.sigmoid() * ln(c, cell.gain_c, cell.bias_c).tanh()
    torch.testing.assert_close(cell(x, state), (h, c))


def test_gru_is_eqs_26_to_28():
    cell, x, h = randomized(LayerNormGRUCell(3, 5)), normal(2, 3), normal(2, 5, seed=1)
    a, b = x @ cell.weight_ih.T, h @ cell.weight_hh.T
    gates = ln(b[:, :10], cell.gain_hh[:10], cell.bias_hh[:10])
    gates = gates + ln(a[:, :10], cell.gain_ih[:10], cell.bias_ih[:10])
    r, z = gates.sigmoid().chunk(2, dim=1)
    candidate = ln(a[:, 10:], cell.gain_ih[10:], cell.bias_ih[10:])
    candidate = candidate + r * ln(b[:, 10:], cell.gain_hh[10:], cell.bias_hh[10:])
    torch.testing.assert_close(cell(x, h), (1 - z) * h + z * candidate.tanh())


@pytest.mark.parametrize("make", NETWORKS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_network_is_its_cell_step_by_step(make, batch_first):
    network = randomized(make(3, 5, batch_first=batch_first))
    cell = CELLS[NETWORKS.index(make)](3, 5).double()
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in network.state_dict().items()})
    x_TBI, state, outputs = normal(4, 2, 3), None, []
    for x_BI in x_TBI:
        state = cell(x_BI, state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    out, last = network(x_TBI.transpose(0, 1) if batch_first else x_TBI)
    want = torch.stack(outputs)
    torch.testing.assert_close(out, want.transpose(0, 1) if batch_first else want)
    last, state = (each if isinstance(each, tuple) else (each,) for each in (last, state))
    torch.testing.assert_close([s[0] for s in last], list(state))
    single, _ = network(x_TBI[:, 0])
    torch.testing.assert_close(single, want[:, 0])


@pytest.mark.parametrize("make", NETWORKS)
def test_padding_changes_nothing(make):
    network = randomized(make(3, 5, num_layers=2, bidirectional=True, batch_first=True))
    x_BTI, lengths = normal(3, 6, 3), [4, 6, 1]
    out, last = network(x_BTI, lengths=lengths)
    last = last if isinstance(last, tuple) else (last,)
    for b, length in enumerate(lengths):
        alone, end = network(x_BTI[b : b + 1, :length])
        torch.testing.assert_close(out[b, :length], alone[0])
        assert (out[b, length:] == 0).all()
        end = end if isinstance(end, tuple) else (end,)
        torch.testing.assert_close([s[:, b] for s in last], [s[:, 0] for s in end])
    packed = pack_padded_sequence(x_BTI, torch.tensor(lengths), True, enforce_sorted=False)
    again, _ = network(packed)
    torch.testing.assert_close(pad_packed_sequence(again, True)[0], out)


@pytest.mark.parametrize("make", NETWORKS)
def test_no_step_sees_the_future(make):
    network, x = randomized(make(3, 5)), normal(6, 2, 3)
    later = x.clone()
    later[4:] += 1
    assert torch.equal(network(x)[0][:4], network(later)[0][:4])
    assert not torch.equal(network(x)[0][4:], network(later)[0][4:])


@pytest.mark.parametrize("make", NETWORKS)
def test_re_scaled_weights_leave_every_hidden_state_alone(make):
    # §3.1: "invariant to re-scaling all of the summed inputs to a layer".
    # From a state that is not zero: without ε the layer norm of zeros is 0/0.
    network, x, first = randomized(make(3, 5, eps=0.0)), normal(20, 2, 3), normal(1, 2, 5, seed=1)
    hx = (first, first) if make is LayerNormLSTM else first
    want = network(x, hx)[0].detach()
    for name, p in network.named_parameters():
        p.data *= 3.0 if name.startswith("weight") else 1.0
    torch.testing.assert_close(network(x, hx)[0], want)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_a_cell_pass_gradcheck(cell):
    module = randomized(cell(2, 3))
    state = (normal(2, 3, seed=1), normal(2, 3, seed=2))
    state = state if cell is LayerNormLSTMCell else state[0]
    names = [name for name, _ in module.named_parameters()]

    def run(x, *parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (x, state))

    inputs = [normal(2, 2).requires_grad_(), *module.parameters()]
    assert torch.autograd.gradcheck(run, inputs)


def test_the_gains_begin_at_one_and_with_the_supplements_zero_nothing_is_learned():
    cell = LayerNormLSTMCell(3, 5)
    assert cell.gain_ih.tolist() == [1] * 20
    assert cell.bias_hh.tolist() == [0] * 20
    swapped, x = LayerNormLSTMCell(3, 5, gain=0.0), normal(2, 3).float()
    for name, p in swapped.named_parameters():
        if name.startswith("bias"):
            nn.init.ones_(p)
    h, _ = swapped(x)
    assert torch.equal(h[0], h[1])  # whatever the input
    h.sum().backward()
    assert swapped.weight_ih.grad.abs().max() == 0
    assert swapped.weight_hh.grad.abs().max() == 0


def test_blank_steps_from_a_zero_state_make_gradients_explode():
    # There σ = 0, every norm multiplies by 1/√ε = 316, and there are two of them in a step.
    first, later = blank_steps(0, 2), blank_steps(0, 8)
    assert later["LSTM"] < first["LSTM"]
    assert later["layer-normalized"] > 1e18 * first["layer-normalized"]


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_are_the_papers():
    with torch.device("meta"):
        for make, torchs, extra in [
            (LayerNormLSTM, nn.LSTM, 10),  # as printed 18 H and b; b, β₁ and β₂ are torch's two
            (LayerNormGRU, nn.GRU, 6),  # as printed 12 H, of which 6 H are torch's biases
        ]:
            sizes = {"input_size": 40, "hidden_size": 64, "num_layers": 2, "bidirectional": True}
            assert count(make(**sizes)) == count(torchs(**sizes)) + extra * 64 * 4
        # §6.5, "approximately 3.7M": three layers of 400 cells, all of which see the pen (3) and
        # the window (57), the upper two also the layer below; 30 for the window, 121 outputs.
        layers = [nn.LSTM(size, 400) for size in (3 + 57, 3 + 57 + 400, 3 + 57 + 400)]
        one_bias = sum(count(layer) - 1600 for layer in layers)
        handwriting = one_bias + count(nn.Linear(400, 30)) + count(nn.Linear(1200, 121))
    assert handwriting == 3_650_151
    assert handwriting + 3 * 3 * 400 == 3_653_751  # with peepholes
    assert handwriting / 1e6 == pytest.approx(3.7, abs=0.05)


def test_compiles_autocasts_and_lives_on_meta():
    network, x = LayerNormLSTM(3, 5), normal(4, 2, 3).float()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x)[0], network(x)[0])
    cell = LayerNormGRUCell(3, 5)
    torch.testing.assert_close(
        torch.compile(cell, fullgraph=True, backend="aot_eager")(x[0]), cell(x[0])
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert (network(x)[0].float() - network.float()(x)[0].float()).abs().max() < 0.05
    with torch.device("meta"):
        assert LayerNormGRU(3, 5)(torch.empty(4, 2, 3))[0].shape == (4, 2, 5)


def test_dropout_acts_between_layers_in_training_only():
    network, x = LayerNormLSTM(3, 5, num_layers=2, dropout=0.5), normal(4, 2, 3).float()
    assert not torch.equal(network(x)[0], network(x)[0])
    network.eval()
    assert torch.equal(network(x)[0], network(x)[0])


LSTM, X = LayerNormLSTM(3, 5), torch.ones(4, 2, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LSTM(X, (torch.ones(1, 3, 5), torch.ones(1, 2, 5))), r"^h is.*3, 5.*2, 5"),
        (lambda: LSTM(X, (torch.ones(1, 2, 5), torch.ones(1, 2, 4))), r"^c is \(1, 2, 4\)"),
        (lambda: LSTM(X, torch.ones(1, 2, 5)), "h, c"),
        (lambda: LSTM(X, lengths=[4, 5]), "lengths.*1 to 4"),
        (lambda: LSTM(X, lengths=[4]), "2 numbers"),
        (lambda: LSTM(X, lengths=[0, 2]), "lengths"),
        (lambda: LSTM(torch.ones(4, 2, 2)), r"\(T, B, 3\)"),
        (lambda: LayerNormLSTM(3, 5, variant="gates"), "variant"),
        (lambda: LayerNormLSTMCell(3, 5)(torch.ones(2, 4)), r"\(B, 3\)"),
        (lambda: LayerNormGRUCell(3, 5)(torch.ones(2, 3), torch.ones(2, 4)), "^h is"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
