"""Equality with torch's LSTM and softmax, clip_grad_norm_, ONNX's rules, sacrebleu."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from lessons.seq2seq import (
    LSTM,
    Seq2Seq,
    Seq2SeqConfig,
    bleu,
    chunked_cross_entropy,
    clip_gradient,
    from_onnx,
    from_torch,
    from_torch_lstm,
    load,
    save,
    sharded_cross_entropy,
    to_onnx,
    to_torch,
    to_torch_lstm,
)
from lessons.seq2seq.softmax import CHUNK


def theirs(inputs=5, hidden=7, layers=3, bias=True, kind=torch.float64):
    torch.manual_seed(0)
    return nn.LSTM(inputs, hidden, layers, bias=bias).to(kind)


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "near"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_torch_s_lstm_on_packed_sequences(layers, bias, kind, near):
    net = theirs(layers=layers, bias=bias, kind=kind)
    ours = from_torch_lstm(net.state_dict())
    lengths = torch.tensor([9, 2, 5, 9, 1])
    x = torch.randn(9, 5, 5, dtype=kind, generator=torch.Generator().manual_seed(1))
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    packed = nn.utils.rnn.pack_padded_sequence(b, lengths, enforce_sorted=False)
    packed, last = net(packed)
    want, _ = nn.utils.rnn.pad_packed_sequence(packed)
    got, state = ours(a, None, lengths)
    for left, right in ((got, want), *zip(state, last)):
        torch.testing.assert_close(left, right, rtol=near, atol=near / 10)
    (got.square().sum() + state[1].sum()).backward()
    (want.square().sum() + last[1].sum()).backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=near, atol=near)
    for l in range(layers):
        for part in ("weight_ih", "weight_hh", *(["bias"] if bias else [])):
            other = "bias_ih" if part == "bias" else part
            left, right = getattr(ours, f"{part}_l{l}").grad, getattr(net, f"{other}_l{l}").grad
            torch.testing.assert_close(left, right, rtol=near, atol=near)


def test_torch_s_lstm_there_and_back():
    net = theirs()
    ours = from_torch_lstm(net.state_dict())
    again = theirs()
    again.load_state_dict(to_torch_lstm(ours))
    x = torch.randn(4, 2, 5).double()
    torch.testing.assert_close(again(x)[0], net(x)[0], rtol=1e-12, atol=1e-12)


class Theirs(nn.Module):
    """A translator of torch's parts, as one writes it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.source, self.target = nn.Embedding(11, 5), nn.Embedding(9, 5)
        self.encoder, self.decoder = nn.LSTM(5, 6, 2), nn.LSTM(5, 6, 2)
        self.output = nn.Linear(6, 9)

    def forward(self, words, tgt):
        _, state = self.encoder(self.source(torch.tensor(words[::-1]))[:, None])
        read = torch.tensor([2, *tgt[:-1]])
        return self.output(self.decoder(self.target(read)[:, None], state)[0])[:, 0]


def test_a_translator_of_torch_s_parts(tmp_path):
    net = Theirs().double()
    ours = from_torch(net.state_dict())
    rows, targets = [[4, 7, 10, 5], [8, 3]], [[4, 5, 2], [7, 2]]
    logits = ours(torch.tensor([rows[0], [*rows[1], 0, 0]]), torch.tensor([4, 2]),
                  torch.tensor([targets[0], [*targets[1], 0]]))  # fmt: skip
    for b, (row, target) in enumerate(zip(rows, targets)):
        torch.testing.assert_close(logits[b, : len(target)], net(row, target))
    save(tmp_path / "a.safetensors", to_torch(ours))
    other = Theirs().double()
    other.load_state_dict(load(tmp_path / "a.safetensors"))
    torch.testing.assert_close(other(rows[0], targets[0]), net(rows[0], targets[0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("encoder.weight_hh_l0"), "no weight_hh_l0|matrices"),
        (lambda s: s.update({"attention.weight": torch.ones(1)}), "unexpected 'attention.weight'"),
        (lambda s: s.pop("output.bias"), "must all have biases, or none"),
        (lambda s: s.pop("source.weight"), "no 'source.weight'"),
        (lambda s: s.update({"encoder.weight_hh_l0_reverse": torch.ones(1)}), "one-directional"),
        (lambda s: s.update({"output.weight": torch.ones(9, 5)}), r"must have shape \(9, 6\)"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    state = Theirs().state_dict()
    change(state)
    with pytest.raises(ValueError, match=words):
        from_torch(state)


def test_options_that_torch_has_not_are_not_dropped():
    with pytest.raises(ValueError, match="cannot compute peepholes"):
        to_torch_lstm(LSTM(3, 4, peephole=True))
    with pytest.raises(ValueError, match="cell='tanh'"):
        to_onnx(LSTM(3, 4, cell="tanh"))


def onnx_rule(layer, x):
    """The specification of ONNX's LSTM operator, forward: gates i, o, f, c; P = [i, o, f]."""
    n = layer["R"].shape[-1]
    split = lambda a: (a[k * n : k * n + n] for k in range(4))  # noqa: E731
    bias = layer["B"][0, : 4 * n] + layer["B"][0, 4 * n :]
    p_i, p_o, p_f = layer["P"][0].reshape(3, n)
    sigma, h, c, out = (lambda v: 1 / (1 + np.exp(-v))), np.zeros(n), np.zeros(n), []
    for v in x:
        i, o, f, g = split(layer["W"][0] @ v + layer["R"][0] @ h + bias)
        i, f = sigma(i + p_i * c), sigma(f + p_f * c)
        c = f * c + i * np.tanh(g)
        h = sigma(o + p_o * c) * np.tanh(c)
        out.append(h)
    return np.stack(out)


def test_onnx_s_lstm_has_peepholes():
    net = LSTM(3, 4, 2, peephole=True, init=0.8, generator=torch.Generator().manual_seed(0))
    net.double()
    layers = to_onnx(net)
    x = torch.randn(6, 1, 3).double()
    want = onnx_rule(layers[1], onnx_rule(layers[0], x[:, 0].numpy()))
    np.testing.assert_allclose(net(x)[0][:, 0].detach().numpy(), want, atol=1e-12)
    again = from_onnx(layers)
    torch.testing.assert_close(again(x)[0], net(x)[0])
    layers[1].pop("P")
    with pytest.raises(ValueError, match=r"P \(1, 3H\)"):
        from_onnx(layers)


def test_clipping_is_torch_s():
    for scale in (0.01, 30.0):
        a, b = (nn.Parameter(torch.zeros(40)) for _ in range(2))
        a.grad = torch.randn(40, generator=torch.Generator().manual_seed(0)) * scale
        b.grad = a.grad.clone()
        norms = clip_gradient([a], 5.0), nn.utils.clip_grad_norm_([b], 5.0).item()
        assert norms[0] == pytest.approx(norms[1])
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=0)  # theirs adds 1e-6


@pytest.mark.parametrize("chunk", [1, 60, CHUNK])
@pytest.mark.parametrize("bias", [True, False])
def test_the_softmax_in_chunks(chunk, bias):
    generator = torch.Generator().manual_seed(0)
    hidden, weight, b = (torch.randn(s, generator=generator).double().requires_grad_()
                         for s in ((17, 4), (23, 4), (23,)))  # fmt: skip
    right = torch.randint(23, (17,), generator=generator)
    leaves = [hidden, weight, *([b] if bias else [])]
    ours = chunked_cross_entropy(hidden, weight, b if bias else None, right, chunk)
    want = F.cross_entropy(F.linear(hidden, weight, b if bias else None), right, reduction="sum")
    torch.testing.assert_close(ours, want)
    for x, y in zip(torch.autograd.grad(3 * ours, leaves), torch.autograd.grad(3 * want, leaves)):
        torch.testing.assert_close(x, y)


def test_the_gradient_of_the_softmax_in_chunks_is_no_constant():
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(s, generator=generator).double().requires_grad_()
              for s in ((7, 4), (11, 4), (11,))]  # fmt: skip
    right, found = torch.randint(11, (7,), generator=generator), []
    for loss in (
        chunked_cross_entropy(*leaves, right, 22),
        F.cross_entropy(F.linear(*leaves), right, reduction="sum"),
    ):
        slopes = torch.autograd.grad(loss, leaves, create_graph=True)
        found.append(torch.autograd.grad(sum(v.square().sum() for v in slopes), leaves))
    torch.testing.assert_close(*found)


def test_the_softmax_in_chunks_takes_weights_of_a_wider_type():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(17, 4, generator=generator).bfloat16().requires_grad_()
    weight = torch.randn(23, 4, generator=generator).requires_grad_()
    right = torch.randint(23, (17,), generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        chunked_cross_entropy(hidden, weight, None, right, 60).backward()
        want = F.cross_entropy(F.linear(hidden.detach().float(), weight), right, reduction="sum")
    theirs = torch.autograd.grad(want, weight)[0]
    assert (hidden.grad.dtype, weight.grad.dtype) == (torch.bfloat16, torch.float32)
    assert (weight.grad - theirs).norm() < 0.02 * theirs.norm()


def _shard(rank, folder, results):
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(s, generator=generator).double()
                            for s in ((9, 4), (22, 4), (22,)))  # fmt: skip
    right = torch.randint(22, (9,), generator=generator)
    hidden.requires_grad_()
    first = 11 * rank
    own = [part[first : first + 11].clone().requires_grad_() for part in (weight, bias)]
    loss = sharded_cross_entropy(hidden, *own, right, first)
    loss.backward()
    torch.save([loss.detach(), hidden.grad, own[0].grad, own[1].grad], f"{results}/{rank}.pt")
    dist.destroy_process_group()


def test_many_chunks_in_half_precision_add_up_as_one_sum():
    # 640 chunks: a sum in bfloat16 stops growing where an addend is 1/256 of it.
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(1280, 8, generator=generator).abs().bfloat16()
    weight = (0.1 * torch.randn(16, 8, generator=generator)).bfloat16()
    bias, right = torch.zeros(16).bfloat16(), torch.randint(16, (1280,), generator=generator)
    leaves = [x.clone().requires_grad_() for x in (hidden, weight, bias)]
    total = chunked_cross_entropy(*leaves, right, 32)
    total.backward()
    wide = [x.float().requires_grad_() for x in (hidden, weight, bias)]
    want = F.cross_entropy(F.linear(*wide), right, reduction="sum")
    want.backward()
    assert total.item() == pytest.approx(want.item(), rel=2**-8)
    for ours, theirs in zip(leaves, wide):
        assert ours.grad.dtype == torch.bfloat16
        error = (ours.grad.float() - theirs.grad).norm() / theirs.grad.norm()
        assert error < 0.01


def test_the_softmax_in_shards_on_two_processes(tmp_path):
    start = torch.multiprocessing.start_processes
    start(_shard, (str(tmp_path), str(tmp_path)), nprocs=2, start_method="fork")
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(s, generator=generator).double() for s in ((9, 4), (22, 4), (22,))]
    right = torch.randint(22, (9,), generator=generator)
    for leaf in leaves:
        leaf.requires_grad_()
    want = F.cross_entropy(F.linear(*leaves), right, reduction="sum")
    want.backward()
    for loss, dhidden, _, _ in parts:
        torch.testing.assert_close(loss, want.detach())
        torch.testing.assert_close(dhidden, leaves[0].grad)
    for k in (1, 2):
        torch.testing.assert_close(torch.cat([p[k + 1] for p in parts]), leaves[k].grad)


# BLEU ----------------------------------------------------------------------------------------


def test_bleu_by_hand():
    # 10 of 10 words, 6 of 8 pairs, 4 of 6 triples, 2 of 4 fours.
    answers = ["a b c d e f".split(), "x y z w".split()]
    right = ["a b c d f e".split(), "x y z w".split()]
    assert bleu(answers, right) == pytest.approx(100 * (1 * 6 / 8 * 4 / 6 * 2 / 4) ** 0.25)
    assert round(bleu(answers, right), 2) == 70.71
    assert bleu([["a", "b"]], [["a", "b"]]) == 0  # no four words, and nothing is smoothed
    short = bleu([list("abcd")], [list("abcdefgh")])
    assert short == pytest.approx(100 * np.exp(-1))


def test_bleu_is_sacrebleu_s_without_smoothing():
    sacrebleu = pytest.importorskip("sacrebleu")
    generator = torch.Generator().manual_seed(0)
    right = [[str(w) for w in torch.randint(9, (int(n),), generator=generator).tolist()]
             for n in torch.randint(4, 20, (30,), generator=generator)]  # fmt: skip
    answers = [[w if k % 5 else "7" for k, w in enumerate(row)][: len(row) - i % 3]
               for i, row in enumerate(right)]  # fmt: skip
    metric = sacrebleu.metrics.BLEU(tokenize="none", smooth_method="none", force=True)
    theirs = metric.corpus_score([" ".join(a) for a in answers], [[" ".join(r) for r in right]])
    assert bleu(answers, right) == pytest.approx(theirs.score, abs=1e-9)


def test_a_model_uses_the_chunks_for_large_vocabularies(monkeypatch):
    from lessons.seq2seq import model as module

    config = Seq2SeqConfig(12, 15, 4, 5, 1)
    net = Seq2Seq(config, torch.Generator().manual_seed(0)).double()
    src, tgt = torch.tensor([[4, 5, 6]]), torch.tensor([[7, 8, 2]])
    want = net.loss(src, None, tgt)
    monkeypatch.setattr(module, "CHUNK", 1)
    torch.testing.assert_close(net.loss(src, None, tgt), want)
