"""Equality with App. A in NumPy, with torch.nn.GRU, with Keras' and ONNX's definitions, with g2p.

The NumPy model shares no line with the package: one phrase and one word at a time.
"""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lessons.encoder_decoder import (
    GRU,
    Adadelta,
    EncoderDecoderConfig,
    RNNEncoderDecoder,
    bleu,
    clip_gradient,
    from_g2p,
    from_groundhog,
    from_keras_gru,
    from_torch_gru,
    load,
    phones_to_ids,
    save,
    say,
    score_pairs,
    to_g2p,
    to_groundhog,
    to_keras_gru,
    to_torch_gru,
)
from lessons.encoder_decoder.bleu import words
from lessons.encoder_decoder.spelling import LETTERS, PHONES
from lessons.encoder_decoder.unit import unroll

SMALL = EncoderDecoderConfig(
    source_vocab_size=30, target_vocab_size=20, embedding_size=4, hidden_size=6, maxout_size=3,
    output_rank=2,
)  # fmt: skip
APPENDIX = {"decoder_reset": "after", "gate_context": True}
RELEASED = {"code_layer": False, "first_step": False}
SRC = torch.tensor([[7, 9, 3, 29, 4], [5, 6, 0, 0, 0], [8, 0, 0, 0, 0]])
LENGTHS = [5, 2, 1]
TGT = torch.tensor([[4, 19, 6, 2], [7, 2, 0, 0], [5, 5, 2, 0]])


def made(seed=0, **changes):
    net = RNNEncoderDecoder(dataclasses.replace(SMALL, **changes)).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.6, generator=generator)
    return net


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_numpy(net, src, tgt):
    """Return log p(y_t | …) of the words of one pair: App. A as it is printed, with biases."""
    config = net.config
    w = {name: value.detach().numpy() for name, value in net.state_dict().items()}
    n = config.hidden_size

    def rows(unit, kind):
        return np.split(w[f"{unit}.gru.{kind}_l0"], 3)  # reset, update, candidate

    h = np.zeros(n)
    (wr, wz, wh), (ur, uz, uh), (br, bz, bh) = (
        rows("encoder", kind) for kind in ("weight_ih", "weight_hh", "bias_ih")
    )
    for word in src:
        e = w["encoder.embedding.weight"][word]
        z, r = sigmoid(wz @ e + uz @ h + bz), sigmoid(wr @ e + ur @ h + br)
        h = z * h + (1 - z) * np.tanh(wh @ e + uh @ (r * h) + bh)
    c = np.tanh(w["encoder.code.weight"] @ h + w["encoder.code.bias"]) if config.code_layer else h
    h = np.tanh(w["decoder.start.weight"] @ c + w["decoder.start.bias"])
    (wr, wz, wh), (ur, uz, uh), (cr, cz, ch), (br, bz, bh) = (
        rows("decoder", kind) for kind in ("weight_ih", "weight_hh", "weight_ch", "bias_ih")
    )
    logs = []
    for t, word in enumerate(tgt):
        e = w["decoder.embedding.weight"][tgt[t - 1]] if t else np.zeros(config.embedding_size)
        if t or config.first_step:
            z = sigmoid(wz @ e + uz @ h + cz @ c + bz)
            r = sigmoid(wr @ e + ur @ h + cr @ c + br)
            if config.gate_context:  # as A.1.1 prints it, biases beside
                second = w["decoder.gru.bias_hh_l0"]
                z = sigmoid(wz @ e + uz @ h + cz @ c + bz + second[n : 2 * n])
                r = sigmoid(wr @ e + ur @ h + cr @ c + br + second[:n])
                new = np.tanh(wh @ e + bh + r * (uh @ h + ch @ c + second[2 * n :]))
            else:
                new = np.tanh(wh @ e + uh @ (r * h) + ch @ c + bh)
            h = z * h + (1 - z) * new
        readout = "decoder.readout"
        s = w[f"{readout}.state.weight"] @ h + w[f"{readout}.state.bias"]
        s = s + w[f"{readout}.word.weight"] @ e + w[f"{readout}.context.weight"] @ c
        s = np.array([max(s[2 * i], s[2 * i + 1]) for i in range(config.maxout_size)])
        logits = w[f"{readout}.output.weight"] @ (w[f"{readout}.low.weight"] @ s)
        p = np.exp(logits + w[f"{readout}.output.bias"])
        logs.append(np.log(p[word] / p.sum()))
    return np.array(logs)


@pytest.mark.parametrize("changes", [{}, APPENDIX, RELEASED])
def test_probabilities_are_those_of_the_appendix(changes):
    net = made(**changes)
    logs = net(SRC, torch.tensor(LENGTHS), TGT).log_softmax(-1)
    logs = logs.gather(-1, TGT[..., None])[..., 0]
    sums = net.score(SRC, TGT)
    pairs = []
    for b, (n, t) in enumerate(zip(LENGTHS, (4, 2, 3))):
        src, tgt = SRC[b, :n].tolist(), TGT[b, :t].tolist()
        want = by_numpy(net, src, tgt)
        np.testing.assert_allclose(logs[b, :t].detach().numpy(), want, rtol=1e-11)
        np.testing.assert_allclose(sums[b].item(), want.sum(), rtol=1e-11)
        pairs.append((src, tgt))
    np.testing.assert_allclose(score_pairs(net, pairs, batch=2), sums.numpy(), rtol=1e-12)


def test_the_appendixs_decoder_is_torchs_gru():
    # One phrase: bias_ih = [C_r c, C_z c, 0], bias_hh = [0, 0, C c].
    net = made(bias=False, **APPENDIX)
    memory, n = net.read(SRC[:1]), SMALL.hidden_size
    theirs = nn.GRU(4, n).double()
    rows = net.decoder.gru.weight_ch_l0 @ memory.c[0]
    state = {name: net.decoder.gru.state_dict()[name] for name in ("weight_ih_l0", "weight_hh_l0")}
    zero = torch.zeros_like(rows)
    state["bias_ih_l0"] = torch.cat([rows[: 2 * n], zero[2 * n :]])
    state["bias_hh_l0"] = torch.cat([zero[: 2 * n], rows[2 * n :]])
    theirs.load_state_dict(state)
    words_TBM = net.decoder.words(TGT[:1].T)
    want, _ = theirs(words_TBM, memory.start[None])
    x = net.decoder.project(words_TBM, memory)
    h = memory.start
    found = unroll(x, h, net.decoder.gru.weight_hh_l0, memory.gated, "after")
    torch.testing.assert_close(found, want, rtol=1e-13, atol=1e-14)


def torchs(layers=1, seed=0, **more):
    theirs = nn.GRU(4, 6, layers, batch_first=True, **more).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in theirs.parameters():
        parameter.data.normal_(0, 0.6, generator=generator)
    return theirs


X = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("more", [{}, {"bidirectional": True}, {"bias": False}])
@pytest.mark.parametrize("layers", [1, 2])
def test_weights_of_torch_there_and_back(layers, more):
    theirs = torchs(layers, **more)
    ours = from_torch_gru(theirs.state_dict())
    torch.testing.assert_close(
        ours(X.transpose(0, 1))[0].transpose(0, 1), theirs(X)[0], rtol=1e-12, atol=1e-14
    )
    back = to_torch_gru(ours)
    assert all(torch.equal(back[name], value) for name, value in theirs.state_dict().items())


def test_before_the_product_is_another_function_unless_the_matrix_is_diagonal():
    theirs = torchs()
    state = {name: value.clone() for name, value in theirs.state_dict().items()}
    with pytest.raises(ValueError, match="no weights make one of the other"):
        from_torch_gru(state, reset="before")
    before = GRU(4, 6, batch_first=True).double()
    own = {name: value for name, value in state.items() if name != "bias_hh_l0"}
    own["bias_ih_l0"] = own["bias_ih_l0"] + state["bias_hh_l0"]
    before.load_state_dict(own)
    assert (before(X)[0] - theirs(X)[0]).abs().max() > 0.1
    state["weight_hh_l0"][12:] = torch.diag(state["weight_hh_l0"][12:].diagonal())
    with pytest.raises(ValueError, match="b_hn ≠ 0"):
        from_torch_gru(state, reset="before")
    state["bias_hh_l0"][12:] = 0
    theirs.load_state_dict(state)
    found = from_torch_gru(state, reset="before")(X.transpose(0, 1))[0].transpose(0, 1)
    torch.testing.assert_close(found, theirs(X)[0], rtol=1e-12, atol=1e-14)


def documented(kernel, recurrent, bias, x, after, before_bias=None):
    """Return the states of Keras' documented GRU; its ONNX form is the same but for the names."""
    h = len(recurrent)
    state, states = np.zeros(h), []
    inner = np.zeros(3 * h) if before_bias is None else before_bias
    for row in x:
        a = row @ kernel + bias
        b = state @ recurrent + inner
        z, r = sigmoid(a[:h] + b[:h]), sigmoid(a[h : 2 * h] + b[h : 2 * h])
        if after:
            new = np.tanh(a[2 * h :] + r * b[2 * h :])
        else:
            new = np.tanh(a[2 * h :] + (r * state) @ recurrent[:, 2 * h :])
        state = z * state + (1 - z) * new
        states.append(state)
    return np.array(states)


@pytest.mark.parametrize("after", [False, True])
def test_weights_of_keras_there_and_back(after):
    generator = np.random.default_rng(0)
    shapes = ((4, 15), (5, 15), (2, 15) if after else (15,))
    arrays = [generator.normal(size=shape) for shape in shapes]
    gru = from_keras_gru(arrays)
    x = generator.normal(size=(7, 4))
    bias, inner = arrays[2] if after else (arrays[2], None)
    want = documented(arrays[0], arrays[1], bias, x, after, inner)
    found = gru(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(found, want, rtol=1e-11)
    for a, b in zip(arrays, to_keras_gru(gru)):
        np.testing.assert_array_equal(a, b)


def test_keras_itself():
    keras = pytest.importorskip("keras", reason="pip install keras, KERAS_BACKEND=torch")
    gru = GRU(4, 5, batch_first=True, generator=torch.Generator().manual_seed(0))
    layer = keras.layers.GRU(5, reset_after=False, return_sequences=True)
    x = torch.randn(2, 7, 4)
    layer.build((2, 7, 4))
    layer.set_weights(to_keras_gru(gru))
    theirs = torch.as_tensor(np.array(layer(x.numpy()).detach().cpu()))
    torch.testing.assert_close(gru(x)[0], theirs, rtol=1e-5, atol=1e-6)


def test_weights_of_groundhog_there_and_back(tmp_path):
    net = made(**RELEASED)
    for unit in (net.encoder.gru, net.decoder.gru):
        unit.bias_ih_l0.data[:12] = 0  # its gates have none
    theirs = to_groundhog(net)
    # Its update gate takes the new state: the paper's z is 1 − g.
    torch.testing.assert_close(theirs["G_enc_transition_0"].T, -net.encoder.gru.weight_hh_l0[6:12])
    theirs["b_0_enc_approx_embdr"] += 0.25  # it adds a bias to embeddings
    np.savez(tmp_path / "phrase_model.npz", **{k: v.numpy() for k, v in theirs.items()})
    again = from_groundhog(load(tmp_path / "phrase_model.npz"), eos_id=2)
    net.encoder.embedding.weight.data += 0.25
    torch.testing.assert_close(again(SRC, None, TGT), net(SRC, None, TGT), rtol=1e-12, atol=1e-13)
    with pytest.raises(ValueError, match=r"V \(code_layer\), a step before the first word"):
        to_groundhog(made())
    with pytest.raises(ValueError, match=r"missing W2_dec_deep_softmax"):
        from_groundhog({k: v for k, v in theirs.items() if k != "W2_dec_deep_softmax"})


def test_adadelta_and_the_gradients_limit_are_torchs():
    ours, theirs = made(), made()
    optimizers = [
        Adadelta(ours.parameters()),
        torch.optim.Adadelta(theirs.parameters(), lr=1.0, rho=0.95, eps=1e-6),
    ]
    for _ in range(3):
        for net, optimizer in zip((ours, theirs), optimizers):
            optimizer.zero_grad()
            net.loss(SRC, None, TGT).backward()
        clip_gradient(ours.parameters(), 0.5)
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-9)


def test_bleu_is_sacrebleus():
    sacrebleu = pytest.importorskip("sacrebleu")
    right = ["Click the button (twice).", "The values 1,000 and 2.5 are in cell A1.", "It is so."]
    said = ["Click a button (twice).", "The values 1,000 and 2.5 are in A1.", "It is not so."]
    ours = bleu([words(text) for text in said], [words(text) for text in right])
    assert ours == pytest.approx(sacrebleu.corpus_bleu(said, [right]).score, rel=1e-9)


# The released letters-to-phones model ----------------------------------------------------------

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
G2P = Path(os.environ.get("LESSONS_DATA") or CACHE) / "g2p" / "g2p_en"  # the folder of --data


def g2p_in_numpy(w, word):
    """Return the phones that g2p_en's own NumPy code says, written anew from its definition."""

    def cell(x, h, side):
        a = w[f"{side}_w_ih"] @ x + w[f"{side}_b_ih"]
        b = w[f"{side}_w_hh"] @ h + w[f"{side}_b_hh"]
        n = len(h)
        r, z = sigmoid(a[:n] + b[:n]), sigmoid(a[n : 2 * n] + b[n : 2 * n])
        return (1 - z) * np.tanh(a[2 * n :] + r * b[2 * n :]) + z * h

    h = np.zeros(w["enc_w_hh"].shape[1])
    for letter in [*word, "</s>"]:
        h = cell(w["enc_emb"][LETTERS.index(letter)], h, "enc")
    word_id, said = PHONES.index("<s>"), []
    for _ in range(20):
        h = cell(w["dec_emb"][word_id], h, "dec")
        word_id = int((w["fc_w"] @ h + w["fc_b"]).argmax())
        if PHONES[word_id] == "</s>":
            break
        said.append(PHONES[word_id])
    return said


def test_g2ps_wiring_with_any_weights(tmp_path):
    generator = np.random.default_rng(0)
    sizes = {"emb": (8,), "w_ih": (24, 8), "w_hh": (24, 8), "b_ih": (24,), "b_hh": (24,)}
    w = {f"{side}_{k}": generator.normal(size=s) for side in ("enc", "dec")
         for k, s in sizes.items()}  # fmt: skip
    w |= {"enc_emb": generator.normal(size=(29, 8)), "dec_emb": generator.normal(size=(74, 8))}
    w |= {"fc_w": generator.normal(size=(74, 8)), "fc_b": generator.normal(size=74)}
    w["fc_b"][[0]] = -50.0  # ours never says padding
    np.savez(tmp_path / "checkpoint.npz", **w)
    net = from_g2p(load(tmp_path / "checkpoint.npz"))
    for word in ("lesson", "a", "gated"):
        assert say(net, word) == g2p_in_numpy(w, word)
    back = to_g2p(net)
    assert back.keys() == w.keys()
    assert all(np.array_equal(back[name].numpy(), w[name]) for name in w)
    with pytest.raises(ValueError, match="code_layer=True"):
        to_g2p(made())


@pytest.mark.skipif(not G2P.is_dir(), reason=f"no {G2P}: g2p_en 2.1.0, unpacked")
def test_the_released_model_loads_and_spells(tmp_path):
    path = G2P / "checkpoint20.npz"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "b8af35e4596d8dd5836dfd3fe9b2ba4f97b9c311efe8879544cbcfcbd566d8c6"
    net = from_g2p(load(path))
    assert sum(p.numel() for p in net.parameters()) == 834_890
    w = {name: value.numpy() for name, value in load(path).items()}
    for word in ("lesson", "encoder", "gated", "strengths"):
        assert say(net, word) == g2p_in_numpy(w, word)
    assert say(net, "lesson") == ["L", "EH1", "S", "AH0", "N"]
    assert phones_to_ids(["L", "EH1"])[-1] == PHONES.index("</s>")
    save(tmp_path / "g2p.safetensors", to_g2p(net))
    assert say(from_g2p(load(tmp_path / "g2p.safetensors")), "lesson")[0] == "L"
