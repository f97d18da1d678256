"""The paper's statements about the model: sizes, starts, what is read when; bad input."""

import copy
import dataclasses
import math
import pickle

import pytest
import torch

from lessons.seq2seq import (
    PRESETS,
    Pipeline,
    Seq2Seq,
    Seq2SeqConfig,
    Vocabulary,
    bleu,
    count_parameters,
    load,
    save,
)

SMALL = Seq2SeqConfig(
    source_vocab_size=13, target_vocab_size=11, embedding_size=4, hidden_size=5, num_layers=2,
    init=0.7,
)  # fmt: skip
SRC, LENGTHS = torch.tensor([[7, 9, 4, 12], [5, 6, 0, 0]]), torch.tensor([4, 2])
TGT = torch.tensor([[4, 10, 6, 2], [7, 2, 0, 0]])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(seed=1, **changes):
    return Seq2Seq(dataclasses.replace(SMALL, **changes), seeded(seed)).double()


# Published sizes ------------------------------------------------------------------------------


def test_sizes_by_hand():
    # Embeddings 160M + 80M, softmax 80M, LSTMs 8 nets' layers of 4 · 1000 · 2000: 384M exactly.
    bare = 160_000_000 + 80_000_000 + 80_000_000 + 8 * 4 * 1000 * 2000
    assert bare == 384_000_000
    for peephole, bias, more in (
        (False, False, 0), (False, True, 32_000 + 80_000), (True, False, 24_000),
        (True, True, 32_000 + 80_000 + 24_000),
    ):  # fmt: skip
        with torch.device("meta"):
            net = Seq2Seq.from_preset("paper", peephole=peephole, bias=bias)
        assert sum(p.numel() for p in net.parameters()) == bare + more
    assert PRESETS["paper"].vector_size == 8000
    # torch's nn.LSTM(1000, 1000, 4) has two biases for our one
    nets = count_parameters(dataclasses.replace(PRESETS["paper"], peephole=False))
    assert nets["encoder"] + 16_000 == 32_032_000


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "changes", [{}, {"cell": "tanh", "peephole": False}, {"num_layers": 1}, {"bias": False}]
)
def test_every_preset_has_its_formulas_size(name, changes):
    with torch.device("meta"):
        net = Seq2Seq.from_preset(name, **changes)
    parts = count_parameters(net.config)
    assert sum(p.numel() for p in net.parameters()) == parts["total"]
    assert sum(p.numel() for p in net.encoder.parameters()) == parts["encoder"]


def test_the_shipped_size():
    assert count_parameters(PRESETS["desk"])["total"] == 721_872


def test_a_tied_softmax_has_one_matrix():
    net = made(tie=True, hidden_size=4)
    assert net.output.weight is net.target_embedding.weight
    total = count_parameters(net.config)["total"]
    assert sum(p.numel() for p in net.parameters()) == total
    net.loss(SRC, LENGTHS, TGT).backward()


def test_all_weights_start_uniform():
    # §3.4: "all of the LSTM's parameters with the uniform distribution between -0.08 and 0.08"
    net = Seq2Seq(dataclasses.replace(SMALL, hidden_size=40, init=0.08), seeded())
    for name, parameter in net.named_parameters():
        assert parameter.abs().max() <= 0.08, name
        if parameter.numel() > 1000:
            assert parameter.std().item() == pytest.approx(0.16 / 12**0.5, rel=0.05), name


def test_the_same_generator_makes_the_same_model():
    a, b, c = (made(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["output.weight"], c["output.weight"])


# What is read when ----------------------------------------------------------------------------


def by_hand(net, words, target):
    """Read word by word, write word by word."""
    c = net.config
    order = list(reversed(words)) if c.reverse_source else list(words)
    order += [c.eos_id] * c.eos_in_encoder
    state = net.encoder.zero_state(torch.zeros(1, 1, 1).double())
    for word in order:
        _, state = net.encoder(net.source_embedding(torch.tensor([[word]])), state)
    logits, read = [], c.eos_id
    for word in target:
        row, state = net.step(torch.tensor([read]), state)
        logits.append(row[0])
        read = word
    return torch.stack(logits)


@pytest.mark.parametrize(
    "changes",
    [{}, {"reverse_source": False}, {"eos_in_encoder": True}, {"peephole": False},
     {"eos_in_encoder": True, "reverse_source": False}, {"cell": "tanh", "peephole": False},
     {"bias": False}],
)  # fmt: skip
def test_it_reads_c_b_a_and_writes_w_x_y_z(changes):
    net = made(**changes)
    logits = net(SRC, LENGTHS, TGT)
    for b, (words, target) in enumerate(zip(([7, 9, 4, 12], [5, 6]), ([4, 10, 6, 2], [7, 2]))):
        torch.testing.assert_close(logits[b, : len(target)], by_hand(net, words, target))
        log = logits[b, : len(target)].log_softmax(-1)
        want = log[range(len(target)), target].sum()
        torch.testing.assert_close(net.log_prob(SRC, LENGTHS, TGT)[b], want)


def test_the_loss_is_per_sentence_or_per_token():
    net = made()
    each = net.loss(SRC, LENGTHS, TGT, "none")
    torch.testing.assert_close(net.loss(SRC, LENGTHS, TGT), each.mean())
    torch.testing.assert_close(net.loss(SRC, LENGTHS, TGT, "token"), each.sum() / 6)


def test_padding_changes_nothing_and_lengths_are_found():
    net = made()
    want = net(SRC, LENGTHS, TGT)
    wide = torch.cat([SRC, torch.zeros(2, 3, dtype=torch.long)], 1)
    torch.testing.assert_close(net(wide, None, TGT), want)
    torch.testing.assert_close(net(SRC[1:, :2], None, TGT[1:, :2]), want[1:, :2])
    junk = torch.cat([SRC, torch.full((2, 2), 11)], 1)  # not even words behind the end
    torch.testing.assert_close(net(junk, LENGTHS, TGT), want)


def test_a_vector_represents_the_sentence():
    net = made()
    vectors = net.sentence_vector(SRC, LENGTHS)
    assert vectors.shape == (2, net.config.vector_size) == (2, 20)
    h, c = net.encode(SRC, LENGTHS)
    torch.testing.assert_close(vectors[0], torch.cat([h[0, 0], h[1, 0], c[0, 0], c[1, 0]]))
    turned = net.sentence_vector(SRC.flip(1)[:1])
    assert (turned - vectors[0]).abs().max() > 1e-3, "the order of words counts"


def test_the_decoder_starts_from_every_layer():
    net = made()
    state = net.encode(SRC, LENGTHS)
    logits, _ = net.decode(torch.tensor([[2], [2]]), state)
    for part in range(2):
        for layer in range(2):
            other = [each.clone() for each in state]
            other[part][layer] += 0.5
            moved, _ = net.decode(torch.tensor([[2], [2]]), tuple(other))
            assert (moved - logits).abs().max() > 1e-3, (part, layer)


# In torch's hands -----------------------------------------------------------------------------


@pytest.mark.parametrize("peephole", [True, False])
def test_it_survives_what_torch_does_to_models(peephole):
    net = made(peephole=peephole)
    want = net(SRC, LENGTHS, TGT)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        torch.testing.assert_close(other(SRC, LENGTHS, TGT), want)
    weights = dict(net.named_parameters())
    table = weights["source_embedding.weight"]
    _, tangent = torch.func.jvp(
        lambda e: torch.func.functional_call(
            net, weights | {"source_embedding.weight": e}, (SRC, LENGTHS, TGT)
        ),
        (table,),
        (torch.ones_like(table),),
    )
    assert tangent.shape == want.shape
    single = copy.deepcopy(net).float()
    with torch.autocast("cpu", torch.bfloat16):
        half = single(SRC, LENGTHS, TGT)
    torch.testing.assert_close(half.double(), want, rtol=0.1, atol=0.1)


def test_it_compiles_whole():
    net, tgt = made(num_layers=1), torch.tensor([[4, 2], [2, 0]])
    few = SRC[:, :2], torch.tensor([2, 1]), tgt
    compiled = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*few), net(*few))


def test_a_layer_on_each_device_computes_the_same():
    for changes in ({}, {"peephole": False, "eos_in_encoder": True}, {"reverse_source": False}):
        net = made(**changes)
        want = net(SRC, LENGTHS, TGT)
        for piece in (1, 3, 8):
            wave = Pipeline(copy.deepcopy(net), ["cpu", "cpu"], piece)
            torch.testing.assert_close(wave(SRC, LENGTHS, TGT), want)
    with pytest.raises(ValueError, match="a device for each of 2 layers is needed, got 1"):
        Pipeline(net, ["cpu"])


def test_files_read_back(tmp_path):
    net = made()
    save(tmp_path / "a.safetensors", net.state_dict())
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}},
               tmp_path / "a.pt")  # fmt: skip
    for name in ("a.safetensors", "a.pt"):
        other = made(5)
        other.load_state_dict(load(tmp_path / name))
        torch.testing.assert_close(other(SRC, LENGTHS, TGT), net(SRC, LENGTHS, TGT))
    (tmp_path / "b.pt").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"b\.pt is a web page"):
        load(tmp_path / "b.pt")


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ({"cell": "gru"}, "cell must be one of lstm, tanh, got 'gru'"),
        ({"cell": "tanh"}, "peephole=True needs cell='lstm'"),
        ({"tie": True}, r"embedding_size \(4\) to be hidden_size \(5\)"),
        ({"eos_id": 11}, r"eos_id must be an id below target_vocab_size \(11\), got 11"),
        ({"eos_id": 0}, "pad_id and eos_id must differ"),
        ({"init": 0.0}, "init must be positive or None, got 0.0"),
    ],
)
def test_sizes_that_do_not_fit_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SMALL, **changes)


def test_an_unknown_preset_lists_the_known():
    with pytest.raises(ValueError, match="there are paper, paper-forward, desk"):
        Seq2Seq.from_preset("gnmt")


@pytest.mark.parametrize(
    ("src", "length", "tgt", "kind", "words"),
    [
        (SRC, torch.tensor([4, 0]), TGT, ValueError, "1 … 4 .* got 0 at row 1"),
        (SRC, torch.tensor([5, 2]), TGT, ValueError, "got 5 at row 0"),
        (SRC, torch.tensor([4]), TGT, ValueError, r"each of 2 sentences, got shape \(1,\)"),
        (SRC[0], LENGTHS, TGT, ValueError, r"src must have shape .* got \(4,\)"),
        (SRC * 0, None, TGT, ValueError, "got 0 at row 0"),
        (SRC + 5, LENGTHS, TGT, ValueError, "ids in 0 … 12, got 14 at row 0, place 1"),
        (SRC.float(), LENGTHS, TGT, TypeError, "src must hold integer ids, got torch.float32"),
        (SRC, LENGTHS, TGT.float(), TypeError, "tgt must hold integer ids"),
        (SRC, LENGTHS, TGT + 1, ValueError, "tgt must hold ids in 0 … 10, got 11 at row 0"),
        (SRC, LENGTHS, TGT[:1], ValueError, "src has 2 sentences and tgt 1"),
        (SRC, LENGTHS, TGT[:, :0], ValueError, r"tgt must have shape .* got \(2, 0\)"),
        (SRC, LENGTHS, TGT * 0, ValueError, "tgt has no words at row 0: all is padding"),
        (SRC, LENGTHS, torch.tensor([[4, 5, 2], [4, 5, 6]]), ValueError,
         r"end with eos_id \(2\).* row 1 is \[4, 5, 6\]"),
        (SRC, LENGTHS, torch.tensor([[4, 5, 2], [4, 0, 2]]), ValueError, "padding behind it only"),
    ],
)  # fmt: skip
def test_sentences_that_do_not_fit_are_named(src, length, tgt, kind, words):
    net = made()
    for call in (net, net.loss):
        with pytest.raises(kind, match=words):
            call(src, length, tgt)


def test_states_and_reductions_that_do_not_fit_are_named():
    net = made()
    h, c = net.encode(SRC, LENGTHS)
    with pytest.raises(ValueError, match=r"\(L, B, H\) = \(2, 2, 5\), got \[\(1, 2, 5\)"):
        net.decode(torch.tensor([[2], [2]]), (h[:1], c))
    with pytest.raises(ValueError, match="reduction must be sentence, token or none, got 'mean'"):
        net.loss(SRC, LENGTHS, TGT, "mean")


# Words ----------------------------------------------------------------------------------------


def test_a_vocabulary_keeps_the_most_frequent_words():
    words = Vocabulary(["b a b c".split(), "a b d".split()], 6)
    assert words.words == ["<pad>", "<s>", "<EOS>", "UNK", "b", "a"]
    ids = words.encode("a c b".split(), eos=True)
    assert ids == [5, 3, 4, 2]
    assert words.decode([*ids, 0, 5]) == ["a", "UNK", "b"]
    assert len(Vocabulary(["b a b c".split()])) == 7
    with pytest.raises(TypeError, match="got the string 'a b'"):
        words.encode("a b")
    with pytest.raises(ValueError, match="size must be at least 5"):
        Vocabulary([], 4)


@pytest.mark.parametrize(
    ("answers", "right", "kind", "words"),
    [
        ([["a"]], [], ValueError, "equally many, and some: got 1 and 0"),
        ([], [], ValueError, "got 0 and 0"),
        (["a b"], [["a", "b"]], TypeError, "a list of words, got the string 'a b'"),
    ],
)
def test_what_bleu_cannot_count_is_named(answers, right, kind, words):
    with pytest.raises(kind, match=words):
        bleu(answers, right)


def test_an_untrained_model_knows_nothing():
    net = made(init=0.08)
    assert net.loss(SRC, LENGTHS, TGT, "token").item() == pytest.approx(math.log(11), abs=0.02)


@pytest.mark.parametrize("row", [[0, 0, 8, 9], [8, 0, 9, 4]])
def test_padding_before_a_word_is_named(row):
    src = torch.tensor([[4, 5, 6, 7], row])
    with pytest.raises(ValueError, match=r"padded on the right only .* row 1"):
        made().encode(src)
    made().encode(src, torch.tensor([4, 4]))  # whoever gives lengths knows what id 0 is


@pytest.mark.parametrize("reduction", ["sentence", "token", "none"])
def test_ids_of_32_bits_count_as_those_of_64(reduction):
    net = made()
    found = net.loss(SRC.int(), LENGTHS.int(), TGT.int(), reduction)
    torch.testing.assert_close(found, net.loss(SRC, LENGTHS, TGT, reduction))


def test_export_with_a_dynamic_batch():
    net, batch = made(peephole=False), {0: torch.export.Dim("batch", min=2, max=64)}
    exported = torch.export.export(net, (SRC, LENGTHS, TGT), dynamic_shapes=(batch,) * 3)
    more = [x.repeat(3, *(1,) * (x.dim() - 1)) for x in (SRC, LENGTHS, TGT)]
    torch.testing.assert_close(exported.module()(*more), net(*more))
