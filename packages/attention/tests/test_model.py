"""The appendix's statements: sizes, starts, what each step sees; bad input."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch

from lessons.attention import (
    PRESETS,
    AdditiveAttention,
    GatedUnit,
    MaxoutReadout,
    RNNencdec,
    RNNsearch,
    TranslatorConfig,
    align,
    count_parameters,
    from_groundhog,
    load,
    maxout,
    save,
    to_groundhog,
)
from lessons.attention.weights import groundhog_names

SMALL = TranslatorConfig(
    source_vocab_size=30, target_vocab_size=20, embedding_size=4, encoder_size=5, decoder_size=6,
    alignment_size=3, maxout_size=4,
)  # fmt: skip
SRC = torch.tensor([[7, 9, 3, 29], [5, 6, 0, 0]])
LENGTHS = torch.tensor([4, 2])
TGT = torch.tensor([[4, 19, 6, 2], [7, 2, 0, 0]])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(cls=RNNsearch, **changes):
    config = dataclasses.replace(SMALL, **{"bidirectional": cls is RNNsearch, **changes})
    net = cls(config).double()
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.6, generator=seeded(1))
    return net


# Published sizes ---------------------------------------------------------------------------


def test_sizes_by_hand():
    # K = 30,000, m = 620, n = n′ = 1000, l = 500; without the biases that A.2 leaves out.
    k, m, n, l = 30_000, 620, 1000, 500
    gates = 3 * (n * m + n * n)
    search = 2 * k * m + 2 * gates + gates + 3 * n * 2 * n + n * n
    search += n * n + 2 * n * n + n  # W_a, U_a, v_a
    search += 2 * l * (n + m + 2 * n) + k * l
    encdec = 2 * k * m + gates + gates + 3 * n * n + n * n + 2 * l * (n + m + n) + k * l
    assert (search, encdec) == (80_401_000, 68_540_000)
    for name, want, biases in (("rnnsearch-50", search, 41_000), ("rnnencdec-50", encdec, 38_000)):
        cls = RNNsearch if name.startswith("rnnsearch") else RNNencdec
        for bias in (False, True):
            with torch.device("meta"):
                net = cls.from_preset(name, bias=bias)
            assert sum(p.numel() for p in net.parameters()) == want + bias * biases


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_formulas_size(name):
    cls = RNNencdec if "encdec" in name else RNNsearch
    with torch.device("meta"):
        net = cls.from_preset(name)
    assert sum(p.numel() for p in net.parameters()) == count_parameters(
        PRESETS[name], cls is RNNsearch
    )


@pytest.mark.parametrize(
    ("cls", "changes"),
    [
        (RNNsearch, {"score": "product"}), (RNNsearch, {"score": "general"}),
        (RNNsearch, {"score": "dot", "decoder_size": 10}), (RNNsearch, {"reset": "after"}),
        (RNNsearch, {"output_rank": 3}), (RNNsearch, {"bias": False}),
        (RNNencdec, {"code_size": 9}), (RNNencdec, {"bidirectional": True}),
        (RNNencdec, {"bidirectional": True, "code": "mean"}), (RNNencdec, {"reset": "after"}),
    ],
)  # fmt: skip
def test_other_choices_have_their_size_and_run(cls, changes):
    changes = {"bidirectional": cls is RNNsearch} | changes
    config = dataclasses.replace(SMALL, **changes)
    net = cls(config, seeded())
    assert sum(p.numel() for p in net.parameters()) == count_parameters(config, cls is RNNsearch)
    loss = net.loss(SRC, LENGTHS, TGT)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(20), abs=0.05)  # B.1: nearly uniform at first
    assert all(p.grad is not None for p in net.parameters())


# Starts (B.1) --------------------------------------------------------------------------------


def test_weights_start_as_the_paper_says():
    sizes = {"embedding_size": 62, "encoder_size": 100, "decoder_size": 100,
             "alignment_size": 100, "maxout_size": 50}  # fmt: skip
    net = RNNsearch(TranslatorConfig(300, 300, **sizes), seeded())
    for unit in (net.encoder.forward_unit, net.encoder.backward_unit, net.unit):
        for square in (*unit.weight_gates.chunk(2), unit.weight_state):
            torch.testing.assert_close(square @ square.T, torch.eye(100), rtol=0, atol=1e-5)
    for name, parameter in net.named_parameters():
        if parameter.dim() == 1:  # v_a and all biases
            assert (parameter == 0).all(), name
        elif "weight_gates" not in name and "weight_state" not in name:
            spread = 0.001 if "attention" in name else 0.01
            assert parameter.std().item() == pytest.approx(spread, rel=0.05), name
            assert parameter.mean().item() == pytest.approx(0, abs=spread / 10), name


def test_at_the_start_it_looks_everywhere_alike_and_only_v_learns():
    # v_a = 0: all energies are 0, and so are the gradients of W_a and U_a.
    net = RNNsearch(SMALL, seeded()).double()
    _, alpha = net(SRC, LENGTHS, TGT)
    torch.testing.assert_close(alpha[0], torch.full((4, 4), 0.25, dtype=torch.float64))
    torch.testing.assert_close(alpha[1, :, :2], torch.full((4, 2), 0.5, dtype=torch.float64))
    net.loss(SRC, LENGTHS, TGT).backward()
    assert (net.attention.query.weight.grad == 0).all()
    assert (net.attention.key.weight.grad == 0).all()
    assert (net.attention.energy.grad != 0).any()


def test_the_same_generator_makes_the_same_model():
    a, b = (RNNsearch(SMALL, seeded(3)).state_dict() for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    c = RNNsearch(SMALL, seeded(4)).state_dict()
    assert not torch.equal(a["embedding.weight"], c["embedding.weight"])


# The parts -----------------------------------------------------------------------------------


def test_update_gates_keep_the_past_and_reset_gates_let_go_of_it():
    unit = GatedUnit(3, 4).double()
    x, s = torch.randn(2, 5, 3).double(), torch.randn(2, 4).double()
    unit.bias.data[:4] = -1e3  # z = 0
    torch.testing.assert_close(unit(x, s), s[:, None].expand(-1, 5, -1))
    unit.bias.data[:4] = 1e3  # z = 1
    unit.bias.data[4:8] = -1e3  # r = 0: only the input counts
    torch.testing.assert_close(unit(x, s), unit(x, 0 * s))
    torch.testing.assert_close(unit(x, s)[:, 2], unit(x[:, 2:3], s)[:, 0])


def test_the_worked_example_of_the_readme():
    # e = (1, 2, 0.1), h = (1, 0), (0, 1), (1, 1).
    e = torch.tensor([1.0, 2.0, 0.1])
    h = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    alpha = e.softmax(0)
    torch.testing.assert_close(alpha, torch.tensor([0.242, 0.659, 0.099]), rtol=0, atol=5e-4)
    torch.testing.assert_close(alpha @ h, torch.tensor([0.341, 0.758]), rtol=0, atol=5e-4)
    powers = e.exp()
    torch.testing.assert_close(powers, torch.tensor([2.718, 7.389, 1.105]), rtol=0, atol=5e-4)
    assert powers.sum().item() == pytest.approx(11.213, abs=5e-4)
    # The gradient, if the third word should have had more: ∂α₃/∂e = α₃ (δ₃ⱼ − αⱼ).
    e.requires_grad_()
    (slope,) = torch.autograd.grad(e.softmax(0)[2], e)
    torch.testing.assert_close(slope, torch.tensor([-0.024, -0.065, 0.089]), rtol=0, atol=6e-4)


def test_a_context_is_a_mean_of_annotations_with_nothing_of_the_padding():
    attention = AdditiveAttention(4, 6, 5).double()
    attention.energy.data.normal_(generator=seeded())
    query, notes = torch.randn(2, 3, 4).double(), torch.randn(2, 7, 6).double()
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    c, alpha = attention(query, notes, mask)
    assert (alpha[1, :, 4:] == 0).all()
    torch.testing.assert_close(alpha.sum(-1), torch.ones(2, 3).double())
    short, _ = attention(query[1:], notes[1:, :4])
    torch.testing.assert_close(c[1:], short)
    torch.testing.assert_close(c, alpha @ notes)


@pytest.mark.parametrize("score", ["additive", "general", "dot", "product"])
def test_keys_once_are_keys_each_time(score):
    attention = AdditiveAttention(6, 6, 5, score).double()
    for parameter in attention.parameters():
        parameter.data.normal_(generator=seeded())
    query, notes = torch.randn(2, 3, 6).double(), torch.randn(2, 7, 6).double()
    once = attention(query, notes, keys_BSA=attention.keys(notes))
    for i in range(3):
        each = attention(query[:, i : i + 1], notes)
        torch.testing.assert_close(once[0][:, i : i + 1], each[0])
    if score == "product":  # Shazeer et al. 2017, eq. 22
        w, u, v = attention.query.weight, attention.key.weight, attention.energy
        e = (v * (query[0, 0] @ w.T).tanh() * (notes[0, 0] @ u.T).tanh()).sum()
        torch.testing.assert_close(attention.energies(query, attention.keys(notes))[0, 0, 0], e)


def test_maxout_takes_the_larger_of_neighbours():
    assert maxout(torch.tensor([1.0, 2, 5, 3, -1, -2])).tolist() == [2, 5, -1]
    with pytest.raises(ValueError, match="5 is odd"):
        maxout(torch.zeros(2, 5))


def test_the_readout_through_a_low_rank_is_one_matrix():
    readout = MaxoutReadout(3, 4, 5, 6, 7, rank=2).double()
    s, y, c = (torch.randn(2, n).double() for n in (3, 4, 5))
    whole = readout.output.weight @ readout.low.weight
    want = readout.hidden(s, y, c) @ whole.T + readout.output.bias
    torch.testing.assert_close(readout(s, y, c), want)


# What a step sees ----------------------------------------------------------------------------


def sees(net, words=6):
    """Return which target words the logits and the weights of each step depend on."""
    tgt = torch.randint(4, 20, (1, words), generator=seeded(2))
    src = torch.tensor([[7, 9, 3, 29, 11]])
    logits, alpha = net(src, None, tgt)
    moved = []
    for i in range(words):
        other = tgt.clone()
        other[0, i] = (other[0, i] - 3) % 16 + 4
        there = net(src, None, other)
        moved.append([(a - b).abs().amax(-1)[0] > 1e-12 for a, b in zip((logits, alpha), there)])
    return (torch.stack([m[k] for m in moved], 1) for k in range(2))  # (step, word)


@pytest.mark.parametrize(
    ("readout_state", "update_word", "weights_lag"),
    [("previous", "previous", 2), ("current", "previous", 2), ("previous", "current", 1)],
)
def test_which_words_a_step_sees(readout_state, update_word, weights_lag):
    # All readings predict y_i from all words before it. But as the appendix and eq. 4 are printed,
    # the alignment of word i knows the words up to y_(i−2) only; in the released code y_(i−1), too.
    logits, alpha = sees(made(readout_state=readout_state, update_word=update_word))
    lower = torch.ones(6, 6).tril(-1).bool()
    assert torch.equal(logits, lower)
    assert torch.equal(alpha, torch.ones(6, 6).tril(-weights_lag).bool())


@pytest.mark.parametrize("cls", [RNNsearch, RNNencdec])
def test_padding_changes_nothing(cls):
    net = made(cls)
    logits, _ = net(SRC, LENGTHS, TGT)
    alone, _ = net(SRC[1:, :2], None, TGT[1:, :2])
    torch.testing.assert_close(logits[1:, :2], alone)
    wide = torch.cat([SRC, torch.full((2, 3), 11)], 1)  # not even other words behind the end
    torch.testing.assert_close(net(wide, LENGTHS, TGT)[0], logits)


def test_the_fixed_vector_is_rnnsearch_that_always_looks_at_the_last_forward_state():
    # A.2.2's note; but s_0 has to be made of the same vector, too (see the errata).
    search, encdec = made(RNNsearch), made(RNNencdec)
    n = SMALL.encoder_size
    own = {k: v.clone() for k, v in search.state_dict().items()}
    for name, value in encdec.state_dict().items():
        if name.endswith(("unit.weight_context", "readout.context.weight")):
            own[name] = torch.cat([value, torch.zeros_like(value)], 1)  # nothing of ←h
        else:
            own[name] = value
    search.load_state_dict(own)
    src, tgt = SRC[:1], TGT[:1]
    memory = search.encode(src)
    logits = {}
    for same_start in (False, True):
        last = memory.annotations[:, -1, :n]
        start = encdec.start(last).tanh() if same_start else memory.start
        words = search.embedding(tgt.T)
        before = torch.cat([torch.zeros_like(words[:1]), words[:-1]])
        s, found = start, []
        for y in before:
            c = memory.annotations[:, -1]  # α one-hot at T
            found.append(search.readout(s, y, c))
            s = search.unit.step(search.unit.project(y), s, c)
        logits[same_start] = torch.stack(found, 1)
    want, weights = encdec(src, None, tgt)
    assert weights is None
    torch.testing.assert_close(logits[True], want, rtol=1e-12, atol=1e-13)
    assert (logits[False] - want).abs().max() > 0.01


def test_code_sizes_and_means():
    net = made(RNNencdec, bidirectional=False, code_size=3)
    memory = net.encode(SRC, LENGTHS)
    assert memory.keys.shape == (2, 1, 3)
    mean = RNNencdec(dataclasses.replace(SMALL, code="mean"), seeded()).double()
    memory = mean.encode(SRC, LENGTHS)
    for b, n in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(memory.keys[b, 0], memory.annotations[b, :n].mean(0))


# In torch's hands ----------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [RNNsearch, RNNencdec])
def test_it_survives_what_torch_does_to_models(cls):
    net = made(cls)
    want = net(SRC, LENGTHS, TGT)[0]
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(other(SRC, LENGTHS, TGT)[0], want)
    compiled = torch.compile(net, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(SRC, LENGTHS, TGT[:, :2])[0], want[:, :2])
    weights = dict(net.named_parameters())
    _, tangent = torch.func.jvp(
        lambda e: torch.func.functional_call(
            net, weights | {"embedding.weight": e}, (SRC, LENGTHS, TGT)
        )[0],
        (weights["embedding.weight"],),
        (torch.ones_like(weights["embedding.weight"]),),
    )
    assert tangent.shape == want.shape
    single = copy.deepcopy(net).float()
    with torch.autocast("cpu", torch.bfloat16):
        half = single(SRC, LENGTHS, TGT)[0]
    torch.testing.assert_close(half.double(), want, rtol=0.1, atol=0.15)


class Adapted(torch.nn.Module):
    """A matrix and a correction to it, as low-rank adapters have."""

    def __init__(self, base, correction):
        super().__init__()
        self.base, self.correction, self.weight = base, correction, base.weight

    def forward(self, x):
        return self.base(x) + self.correction(x)


class Opposite(AdditiveAttention):
    def energies(self, query_BQH, keys_BSA):
        return -super().energies(query_BQH, keys_BSA)


def test_what_is_put_into_the_model_is_used_in_training_too():
    net = made()
    memory, x = net.encode(SRC, LENGTHS), torch.randn(4, 2, 18, dtype=torch.float64)
    plain = net.unroll(memory, x)[0]
    called = []
    handle = net.attention.register_forward_hook(lambda module, args, out: called.append(out[1]))
    torch.testing.assert_close(net.unroll(memory, x)[0], plain)
    assert len(called) == 4, "a hook sees the weights of every step"
    handle.remove()
    base = net.attention.query
    net.attention.query = Adapted(base, torch.nn.Linear(6, 3, bias=False).double())
    adapted = net.unroll(memory, x)[0]
    torch.testing.assert_close(adapted, net.unroll_reference(memory, x)[0])
    assert (adapted - plain).abs().max() > 1e-4
    net.attention.query = base
    net.attention.__class__ = Opposite
    opposite = net.unroll(memory, x)[0]
    torch.testing.assert_close(opposite, net.unroll_reference(memory, x)[0])
    assert (opposite - plain).abs().max() > 1e-4
    net.encoder.backward_unit.register_forward_hook(lambda module, args, out: 0 * out)
    assert (net.encode(SRC, LENGTHS).annotations[..., 5:] == 0).all()


@pytest.mark.parametrize("cls", [RNNsearch, RNNencdec])
def test_it_maps_over_cases(cls):
    net = made(cls)
    weights = dict(net.named_parameters())
    src, tgt = torch.tensor([[7, 9, 3], [5, 6, 8]]), torch.tensor([[4, 19, 2], [7, 7, 2]])

    def logits(weights, src, tgt):
        return torch.func.functional_call(net, weights, (src[None], None, tgt[None]))[0][0]

    found = torch.func.vmap(logits, (None, 0, 0))(weights, src, tgt)
    torch.testing.assert_close(found, net(src, None, tgt)[0])
    each = torch.func.vmap(
        torch.func.grad(lambda w, s, t: logits(w, s, t).sin().sum()), (None, 0, 0)
    )(weights, src, tgt)
    whole = torch.autograd.grad(net(src, None, tgt)[0].sin().sum(), list(weights.values()))
    for sums, want in zip(each.values(), whole):
        torch.testing.assert_close(sums.sum(0), want)
    attention = AdditiveAttention(4, 6, 5).double()
    attention.energy.data.fill_(0.5)
    query, notes = torch.randn(2, 3, 4).double(), torch.randn(2, 7, 6).double()
    mask = torch.arange(7) < torch.tensor([7, 4])[:, None]
    mapped = torch.func.vmap(lambda q, h, m: attention(q, h, m)[0])(query, notes, mask)
    torch.testing.assert_close(mapped, attention(query, notes, mask)[0])


@pytest.mark.parametrize("cls", [RNNsearch, RNNencdec])
def test_it_is_exported_for_any_batch(cls):
    net = made(cls)
    batch = {0: torch.export.Dim("batch", min=2, max=64)}
    tgt = TGT[:, :2]
    program = torch.export.export(net, (SRC, LENGTHS, tgt), dynamic_shapes=(batch, batch, batch))
    many = SRC.repeat(3, 1), LENGTHS.repeat(3), tgt.repeat(3, 1)
    torch.testing.assert_close(program.module()(*many)[0], net(*many)[0])


def test_ids_of_32_bits_are_ids():
    net = made()
    half = SRC.int(), LENGTHS.int(), TGT.int()
    torch.testing.assert_close(net.loss(*half), net.loss(SRC, LENGTHS, TGT))
    assert len(net(SRC[:0], LENGTHS[:0], TGT[:0])[0]) == 0


# Files ---------------------------------------------------------------------------------------


def groundhog(seed=0):
    """A small file in GroundHog's layout."""
    k, m, n, h, a, l, rank = 11, 4, 5, 5, 5, 3, 4
    shapes = {}
    for name in groundhog_names():
        side = "dec" if "_dec_" in name else "enc"
        size = h if side == "dec" else n
        if "approx_embdr" in name:
            shapes[name] = (k, m) if name.startswith("W") else (m,)
        elif "embdr" in name:
            shapes[name] = (m, size) if name.startswith("W") else (size,)
        elif "transition" in name:
            shapes[name] = {"A": (2 * n, a), "B": (h, a), "D": (a, 1)}.get(name[0], (size, size))
        elif "initializer" in name:
            shapes[name] = (n, h) if name.startswith("W") else (h,)
        elif "dec_dec_" in name:
            shapes[name] = (2 * n, h)
    shapes |= {
        "W_0_dec_hid_readout_0": (h, 2 * l), "b_0_dec_hid_readout_0": (2 * l,),
        "W_0_dec_prev_readout_0": (m, 2 * l), "W_0_dec_repr_readout": (2 * n, 2 * l),
        "W1_dec_deep_softmax": (l, rank), "W2_dec_deep_softmax": (rank, k),
        "b_dec_deep_softmax": (k,),
    }  # fmt: skip
    generator = seeded(seed)
    return {
        name: torch.randn(shapes[name], dtype=torch.float64, generator=generator)
        for name in sorted(shapes)
    }


def test_a_groundhog_file_has_the_published_code_s_size():
    # By its own layers: 30,001 words, biases at embeddings, candidates, initializer, readout.
    k, m, n, l = 30_001, 620, 1000, 500
    units = 3 * (3 * m * n + n + 3 * n * n)
    rest = 2 * (k * m + m) + 3 * 2 * n * n + 2 * n * n + n * n + n + n * n + n
    readout = n * 2 * l + 2 * l + m * 2 * l + 2 * n * 2 * l + l * m + m * k + k
    gates_here = 3 * 2 * n - 2 * m  # biases that ours has at gates, less those at embeddings
    assert count_parameters(PRESETS["groundhog-search"]) == units + rest + readout + gates_here


def test_groundhog_there_and_back(tmp_path):
    theirs = groundhog()
    net = from_groundhog(theirs)
    assert (net.config.eos_id, net.config.update_word, net.config.output_rank) == (10, "current", 4)
    src, tgt = torch.tensor([[4, 7, 10]]), torch.tensor([[5, 6, 10]])
    logits, alpha = net(src, torch.tensor([3]), tgt)
    # The biases of embeddings are in our words' vectors, so they are zero on the way back.
    again = to_groundhog(net)
    assert again.keys() == theirs.keys()
    folded = {"W_0_enc_approx_embdr", "W_0_dec_approx_embdr"}
    for name, value in theirs.items():
        if name.startswith("b_0_") and "approx" in name:
            assert (again[name] == 0).all()
        elif name not in folded:
            torch.testing.assert_close(again[name], value, rtol=0, atol=0)
    import numpy as np

    np.savez(tmp_path / "search_model.npz", **{k: v.numpy() for k, v in again.items()})
    other = from_groundhog(load(tmp_path / "search_model.npz"))
    torch.testing.assert_close(other(src, torch.tensor([3]), tgt)[0], logits)
    torch.testing.assert_close(align(other, src, torch.tensor([3]), tgt), alpha)


def test_a_groundhog_step_by_its_own_code():
    """One step as `RecurrentLayerWithSearch.step_fprop` and the readout compute it."""
    w = groundhog()
    net = from_groundhog(w)
    src, tgt = torch.tensor([[4, 7, 10]]), torch.tensor([[5, 6, 10]])
    emb = w["W_0_enc_approx_embdr"][src[0]] + w["b_0_enc_approx_embdr"]

    def run(side, words, mask=None):
        h, states = torch.zeros(5).double(), []
        for x in words:
            reset = x @ w[f"W_0_{side}_reset_embdr_0"]
            update = x @ w[f"W_0_{side}_update_embdr_0"]
            below = x @ w[f"W_0_{side}_input_embdr_0"] + w[f"b_0_{side}_input_embdr_0"]
            reset = torch.sigmoid(h @ w[f"R_{side}_transition_0"] + reset)
            new = torch.tanh((reset * h) @ w[f"W_{side}_transition_0"] + below)
            update = torch.sigmoid(h @ w[f"G_{side}_transition_0"] + update)
            h = update * new + (1 - update) * h
            states.append(h)
        return torch.stack(states)

    c = torch.cat([run("enc", emb), run("back_enc", emb.flip(0)).flip(0)], 1)
    h = torch.tanh(c[0, -5:] @ w["W_0_dec_initializer_0"] + w["b_0_dec_initializer_0"])
    found, y_before = [], None
    for y in tgt[0]:
        bent = torch.tanh(h @ w["B_dec_transition_0"] + c @ w["A_dec_transition_0"])
        probs = (bent @ w["D_dec_transition_0"])[:, 0].exp()
        ctx = (probs / probs.sum()) @ c
        readout = ctx @ w["W_0_dec_repr_readout"] + h @ w["W_0_dec_hid_readout_0"]
        readout = readout + w["b_0_dec_hid_readout_0"]
        if y_before is not None:
            readout = readout + y_before @ w["W_0_dec_prev_readout_0"]
        t = readout.view(-1, 2).amax(1)
        found.append(t @ w["W1_dec_deep_softmax"] @ w["W2_dec_deep_softmax"]
                     + w["b_dec_deep_softmax"])  # fmt: skip
        x = y_before = w["W_0_dec_approx_embdr"][y] + w["b_0_dec_approx_embdr"]
        reset = x @ w["W_0_dec_reset_embdr_0"] + ctx @ w["W_0_dec_dec_reseter_0"]
        update = x @ w["W_0_dec_update_embdr_0"] + ctx @ w["W_0_dec_dec_updater_0"]
        below = x @ w["W_0_dec_input_embdr_0"] + w["b_0_dec_input_embdr_0"]
        below = below + ctx @ w["W_0_dec_dec_inputter_0"]
        reset = torch.sigmoid(h @ w["R_dec_transition_0"] + reset)
        new = torch.tanh((reset * h) @ w["W_dec_transition_0"] + below)
        update = torch.sigmoid(h @ w["G_dec_transition_0"] + update)
        h = update * new + (1 - update) * h
    torch.testing.assert_close(net(src, torch.tensor([3]), tgt)[0][0], torch.stack(found))


def test_what_groundhog_has_not_is_refused():
    net = made()
    with pytest.raises(ValueError, match=r"update that sees the previous word.*one matrix"):
        to_groundhog(net)
    net = from_groundhog(groundhog())
    net.unit.bias.data[0] = 1.0
    with pytest.raises(ValueError, match="biases at the gates of unit"):
        to_groundhog(net)
    theirs = groundhog()
    theirs["W_0_enc_repr_contrib_0"] = theirs.pop("b_dec_deep_softmax")
    with pytest.raises(ValueError, match=r"missing b_dec_deep.*unexpected W_0_enc_repr"):
        from_groundhog(theirs)


@pytest.mark.parametrize("what", ["one number", "other size", "integers", "text", "none"])
def test_a_groundhog_file_that_does_not_fit_is_a_value_error(what):
    theirs = groundhog()
    change = {
        "one number": lambda v: v.sum(), "integers": lambda v: v.long(), "text": lambda v: "text",
        "none": lambda v: None, "other size": lambda v: torch.cat([v, v, v]),
    }[what]  # fmt: skip
    for name, value in theirs.items():
        if what == "other size" and name == "W_0_enc_approx_embdr":
            continue  # another vocabulary
        with pytest.raises(ValueError, match=r"state (dict does not fit|must map)"):
            from_groundhog({**theirs, name: change(value)})


def test_files_read_back(tmp_path):
    state = made().state_dict()
    save(tmp_path / "a.safetensors", state, {"made": "here"})
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        again = load(tmp_path / name)
        assert again.keys() == state.keys()
        assert all(torch.equal(again[k], state[k]) for k in state)
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"broken\.pt holds no weights"):
        load(tmp_path / "broken.pt")
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path / "none.npz")


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("src", "length", "tgt", "words"),
    [
        (SRC, [5, 2], TGT, r"src_len must lie in 1 … 4, got 5 at index 0"),
        (SRC, [4, 0], TGT, r"src_len must lie in 1 … 4, got 0 at index 1"),
        (SRC, [4], TGT, r"one length for each of 2"),
        (SRC, [4.0, 2.0], TGT, r"src_len must be a tensor of integers, got torch.float32"),
        (SRC, [4, 2], 0 * TGT, r"tgt must have words, got padding \(pad_id 0\) only"),
        (SRC + 1, [4, 2], TGT, r"src must hold ids in 0 … 29, got 30 at row 0, place 3"),
        (SRC, [4, 2], TGT + 1, r"tgt must hold ids in 0 … 19, got 20 at row 0, place 1"),
        (SRC, [4, 2], -TGT, r"tgt must hold ids in 0 … 19, got -4"),
        (SRC, [4, 2], TGT[:1], r"src has 2 sentences and tgt 1"),
        (SRC, [4, 2], TGT.double(), r"tgt must hold integer ids"),
        (SRC[0], [4, 2], TGT, r"src must have shape \(batch, length ≥ 1\)"),
        (SRC, [4, 2], TGT[:, :0], r"tgt must have shape \(batch, length ≥ 1\)"),
    ],
)
def test_what_does_not_fit_is_named(src, length, tgt, words):
    with pytest.raises(ValueError, match=words):
        made().loss(src, torch.tensor(length), tgt)


def test_padding_stands_behind_the_words():
    net = made()
    with pytest.raises(ValueError, match=r"padding \(pad_id 0\) behind .* in row 1: pad on the"):
        net(torch.tensor([[4, 5, 6], [0, 5, 6]]), None, TGT)
    net(torch.tensor([[4, 5, 6], [4, 0, 6]]), torch.tensor([3, 3]), TGT)  # 0 as a word, if meant
    with pytest.raises(ValueError, match="src_len must be a tensor of integers, got list"):
        net(SRC, [4, 2], TGT)


def test_an_empty_sentence_is_named():
    with pytest.raises(ValueError, match="got 0 at index 1"):
        made()(torch.tensor([[4, 5], [0, 0]]), None, TGT)


def test_masks_and_widths_are_checked():
    attention = AdditiveAttention(4, 6, 5)
    query, notes = torch.zeros(2, 1, 4), torch.zeros(2, 7, 6)
    with pytest.raises(TypeError, match=r"mask must be boolean.*float32"):
        attention(query, notes, torch.ones(2, 7))
    with pytest.raises(ValueError, match=r"mask must have shape \(2, 7\), got \(2, 6\)"):
        attention(query, notes, torch.ones(2, 6).bool())
    with pytest.raises(ValueError, match="row 1 is not"):
        attention(query, notes, torch.arange(7) < torch.tensor([3, 0])[:, None])
    with pytest.raises(ValueError, match=r"queries must have width query_size \(4\), got 5"):
        attention(torch.zeros(2, 1, 5), notes)
    with pytest.raises(ValueError, match=r"annotations must have width annotation_size \(6\), got"):
        attention(query, torch.zeros(2, 7, 5))
    with pytest.raises(ValueError, match=r"inputs must have width input_size \(3\), got 2"):
        GatedUnit(3, 4)(torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="context_size is None, got a context of width 2"):
        GatedUnit(3, 4)(torch.zeros(1, 2, 3), None, torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="'dot' needs queries as wide"):
        AdditiveAttention(4, 6, 5, "dot")
    with pytest.raises(ValueError, match="score must be"):
        AdditiveAttention(4, 6, 5, "bahdanau")


@pytest.mark.parametrize(
    ("cls", "changes", "words"),
    [
        (RNNsearch, {"embedding_size": 0}, "embedding_size must be at least 1, got 0"),
        (RNNsearch, {"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        (RNNsearch, {"score": "cosine"}, "score must be one of additive"),
        (RNNsearch, {"readout_state": "next"}, "readout_state must be one of"),
        (RNNsearch, {"readout_state": "current", "update_word": "current"}, "would see word i"),
        (RNNsearch, {"eos_id": 20}, r"eos_id must be an id below target_vocab_size \(20\), got 20"),
        (RNNsearch, {"pad_id": 2}, "pad_id and eos_id must differ, got 2 for both"),
        (RNNsearch, {"source_vocab_size": 3, "pad_id": 5}, "below source_vocab_size"),
        (RNNsearch, {"code_size": 3}, "RNNsearch has no one vector"),
        (RNNencdec, {"score": "general"}, "RNNencdec looks nowhere"),
    ],
)
def test_choices_are_checked(cls, changes, words):
    with pytest.raises(ValueError, match=words):
        cls(dataclasses.replace(SMALL, **changes))


def test_presets_are_checked():
    with pytest.raises(ValueError, match="no preset 'rnnsearch'; there are rnnsearch-30"):
        RNNsearch.from_preset("rnnsearch")
    with pytest.raises(ValueError, match="'rnnencdec-30' is no preset of RNNsearch"):
        RNNsearch.from_preset("rnnencdec-30")
    with pytest.raises(ValueError, match="'groundhog-search' is no preset of RNNencdec"):
        RNNencdec.from_preset("groundhog-search")
    with pytest.raises(ValueError, match="aligns nothing"):
        align(made(RNNencdec), SRC, LENGTHS, TGT)
