"""App. A's statements: sizes, starts, what each step sees, decoding; bad input."""

import copy
import dataclasses
import itertools
import math
import pickle

import pytest
import torch

from lessons.encoder_decoder import (
    PRESETS,
    EncoderDecoderConfig,
    RNNEncoderDecoder,
    batches_of_one_length,
    beam_search,
    count_parameters,
    greedy,
    letters_to_ids,
    load,
    maxout,
    pad,
    phones_to_ids,
    sample,
    save,
    say,
)
from lessons.encoder_decoder.weights import fill

SMALL = EncoderDecoderConfig(
    source_vocab_size=30, target_vocab_size=7, embedding_size=4, hidden_size=6, maxout_size=3,
    output_rank=2,
)  # fmt: skip
SRC = torch.tensor([[7, 9, 3, 29], [5, 6, 0, 0]])
TGT = torch.tensor([[4, 5, 6, 2], [3, 2, 0, 0]])
WIRINGS = [
    {}, {"decoder_reset": "after", "gate_context": True},
    {"first_step": False, "code_layer": False}, {"gates": ()}, {"gates": ("update",)},
    {"maxout_size": None, "output_rank": None},
    {"context": False, "start_layer": False, "code_layer": False, "start_id": 3},
    {"encoder_reset": "after", "decoder_reset": "after", "gates": ("reset",), "bias": False},
]  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def made(spread=0.6, **changes):
    net = RNNEncoderDecoder(dataclasses.replace(SMALL, **changes)).double()
    generator = seeded(1)
    for parameter in net.parameters():
        parameter.data.normal_(0, spread, generator=generator)
    return net


# Sizes ---------------------------------------------------------------------------------------

K, N = 15_000, 1000
READINGS = [  # m, rank of G, maxout units; encoder, decoder, O, G of App. A's formulas
    ({}, 18_250_000),
    ({"output_rank": None}, 24_200_000),
    ({"embedding_size": 500, "output_rank": None}, 39_000_000),
    ({"embedding_size": 500, "output_rank": 500}, 39_250_000),
    ({"embedding_size": 500, "output_rank": 500, "maxout_size": 1000}, 42_000_000),
]


@pytest.mark.parametrize(("changes", "total"), READINGS)
def test_sizes_by_hand(changes, total):
    config = dataclasses.replace(PRESETS["paper"], bias=False, **changes)
    m, l, rank = config.embedding_size, config.maxout_size, config.output_rank
    encoder = K * m + 3 * (m * N + N * N) + N * N
    decoder = K * m + 3 * (m * N + 2 * N * N) + N * N
    deep = 2 * l * (N + m + N) + (K * l if rank is None else l * rank + rank * K)
    assert encoder + decoder + deep == total == count_parameters(config)


BIASES = {"paper": 24_000, "appendix": 27_000, "groundhog": 23_001, "g2p": 3 * 256 * 4 + 74}
BARE = {"paper": 18_250_000, "appendix": 39_250_000, "groundhog": 17_250_300,
        "g2p": 834_890 - 3 * 256 * 4 - 74}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_size(name):
    for bias, want in ((False, BARE[name]), (True, BARE[name] + BIASES[name])):
        with torch.device("meta"):
            net = RNNEncoderDecoder.from_preset(name, bias=bias)
        assert sum(p.numel() for p in net.parameters()) == want == count_parameters(net.config)


def test_weights_start_as_the_paper_says():
    sizes = {"embedding_size": 40, "hidden_size": 40, "maxout_size": 30, "output_rank": 25}
    net = RNNEncoderDecoder(EncoderDecoderConfig(99, 99, **sizes), seeded())
    for name, parameter in net.named_parameters():
        if parameter.dim() == 1:
            assert (parameter == 0).all(), name
        elif "weight_hh" in name:
            for square in parameter.split(40):
                torch.testing.assert_close(square @ square.T, torch.eye(40), rtol=0, atol=1e-5)
        else:
            assert parameter.std().item() == pytest.approx(0.01, rel=0.1), name
    loss = net.loss(SRC, None, TGT, reduction="words").item()
    assert loss == pytest.approx(math.log(99), abs=0.01)  # nearly uniform


# What sees what ------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", WIRINGS)
def test_step_by_step_it_says_what_training_sees(changes):
    net = made(**changes)
    assert sum(p.numel() for p in net.parameters()) == count_parameters(net.config)
    logits = net(SRC, None, TGT)
    memory, word = net.read(SRC), None
    h = memory.start[:, None]
    for t in range(TGT.shape[1]):
        step, h = net.decoder.step(word, h, memory)
        torch.testing.assert_close(step[:, 0], logits[:, t], rtol=1e-11, atol=1e-13)
        word = TGT[:, t : t + 1]
    net.loss(SRC, None, TGT).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_vector_is_read_at_a_phrases_own_end():
    net = made()
    torch.testing.assert_close(net.encode(SRC)[1], net.encode(SRC[1:, :2])[0])
    c = net.encode(SRC, torch.tensor([3, 2]))
    torch.testing.assert_close(c[0], net.encode(SRC[:1, :3])[0])


def test_the_vector_enters_every_step():
    net, tgt = made(), torch.tensor([[4, 5, 6, 3]])
    c = net.encode(SRC[:1]).detach().requires_grad_()
    length = torch.tensor([4])
    for t in range(4):  # all paths but those through the words: none is zero at any step
        hidden = net.decoder.hidden(net.decoder.read(c, length), tgt)
        (slope,) = torch.autograd.grad(hidden[t].square().sum(), c)
        assert slope.abs().min() > 0
    only = made(context=False)
    assert only.decoder.gru.context_size is None
    assert only.decoder.readout.context is None


def test_probabilities_of_all_phrases_of_a_length_sum_to_one():
    # Eq. 3 is a product of conditionals: over all y of two words they sum to 1.
    net = made()
    every = torch.tensor([[a, b] for a, b in itertools.product(range(1, 7), repeat=2)])
    src = SRC[1:].expand(len(every), -1)
    total = net.score(src, every).exp().sum()
    logits = net(SRC[1:], None, torch.tensor([[1, 1]]))
    missing = logits.softmax(-1)[0, 0, 0]  # padding as a word
    per = [net(SRC[1:], None, torch.tensor([[w, 1]])).softmax(-1)[0] for w in range(1, 7)]
    want = sum(p[0, w] * (1 - p[1, 0]) for w, p in zip(range(1, 7), per))
    torch.testing.assert_close(total, want)
    assert total < 1 - missing


def test_scores_are_sums_and_the_loss_their_mean():
    net = made()
    log = net.log_probability(SRC, None, TGT)
    assert (log[1, 2:] == 0).all()
    torch.testing.assert_close(net.score(SRC, TGT), log.sum(-1))
    torch.testing.assert_close(net.loss(SRC, None, TGT), -log.sum() / 2)
    torch.testing.assert_close(net.loss(SRC, None, TGT, "words"), -log.sum() / 6)
    per = net.score(SRC, TGT, per_token=True)
    torch.testing.assert_close(per, log.sum(-1) / torch.tensor([4, 2]))


def test_maxout_takes_the_larger_of_neighbours():
    x = torch.tensor([[1.0, -2.0, 3.0, 5.0]])
    assert torch.equal(maxout(x), torch.tensor([[1.0, 5.0]]))
    torch.testing.assert_close(maxout(x), x.view(1, 2, 2).amax(-1))
    with pytest.raises(ValueError, match="3 is odd"):
        maxout(x[:, :3])


# Decoding ------------------------------------------------------------------------------------


def test_greedy_is_the_best_word_at_each_step_and_a_beam_of_one():
    net = made()
    ids = greedy(net, SRC, max_len=5)
    logits = net(SRC, None, ids)
    logits[..., 0] = -torch.inf
    real = ids != 0
    assert torch.equal(logits.argmax(-1)[real], ids[real])
    one = beam_search(net, SRC, beam=1, max_len=5)
    assert torch.equal(one.ids, ids)


@pytest.mark.parametrize("changes", WIRINGS[:4])
def test_a_wide_beam_finds_the_best_of_all_phrases(changes):
    net = made(0.4, target_vocab_size=5, **changes)
    found = beam_search(net, SRC, beam=5, max_len=2)
    anew = beam_search(net, SRC, beam=5, max_len=2, use_cache=False)
    torch.testing.assert_close(found.score, anew.score, rtol=1e-10, atol=1e-12)
    for b in range(2):
        log = []
        for words in ([], [1], [3], [4]):
            tgt = torch.tensor([[*words, 2]])
            log.append(net.score(SRC[b : b + 1, : (SRC[b] != 0).sum()], tgt).item())
        assert found.log_probability[b].item() == pytest.approx(max(log), rel=1e-9)


@pytest.mark.parametrize("forbid_unk", [False, True])
def test_what_a_search_finds_has_the_score_that_the_model_gives(forbid_unk):
    net = made(0.4)
    found = beam_search(net, SRC, beam=4, max_len=4, forbid_unk=forbid_unk)
    torch.testing.assert_close(found.log_probability, net.score(SRC, found.ids))
    assert not forbid_unk or not (found.ids == net.config.unk_id).any()


def test_no_phrases_at_all_are_an_empty_answer():
    net, none = made(), SRC[:0]
    assert net.score(none, TGT[:0]).shape == (0,)
    assert greedy(net, none).shape == sample(net, none).shape == (0, 0)
    assert beam_search(net, none, beam=2).ids.shape == (0, 0)


def test_short_ids_count_as_long_ones():
    net = made()
    want = net.score(SRC, TGT)
    assert torch.equal(net.score(SRC.int(), TGT.int()), want)
    torch.testing.assert_close(net.loss(SRC.int(), None, TGT.int()), -want.mean())


def test_the_model_compiles_whole_and_exports_with_any_batch():
    net, src_len = made(), (SRC != 0).sum(-1)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(SRC, src_len, TGT), net(SRC, src_len, TGT))
    batch = torch.export.Dim("batch", min=2, max=64)
    shapes = ({0: batch}, {0: batch}, {0: batch})
    program = torch.export.export(net, (SRC, src_len, TGT), dynamic_shapes=shapes).module()
    more = [torch.cat([x, x[:1]]) for x in (SRC, src_len, TGT)]
    torch.testing.assert_close(program(*more), net(*more))


def test_samples_come_as_often_as_the_model_says():
    net = made(1.0)
    many = sample(net, SRC[:1].expand(2000, -1), max_len=1, generator=seeded())
    logits = net(SRC[:1], None, torch.tensor([[1]]))[0, 0]
    logits[0] = -torch.inf
    want = logits.softmax(-1)
    share = torch.bincount(many[:, 0], minlength=7) / 2000
    assert (share - want).abs().max() < 0.04
    cold = sample(net, SRC, temperature=1e-4, max_len=5, generator=seeded())
    assert torch.equal(cold, greedy(net, SRC, max_len=5))


# Files, copies, devices -----------------------------------------------------------------------


def test_files_copies_and_wrappers(tmp_path):
    net = made().float()
    want = net.score(SRC, TGT)
    save(tmp_path / "a.safetensors", net.state_dict())
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}},
               tmp_path / "a.pt")  # fmt: skip
    for name in ("a.safetensors", "a.pt"):
        with torch.device("meta"):
            other = RNNEncoderDecoder(SMALL)
        assert torch.equal(fill(other, load(tmp_path / name)).score(SRC, TGT), want)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other.score(SRC, TGT), want)
    (tmp_path / "bad.pt").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"bad\.pt holds no weights that can be read"):
        load(tmp_path / "bad.pt")
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        load(tmp_path / "none.pt")


def test_autocast_keeps_scores_in_single_precision():
    net = made().float()
    with torch.autocast("cpu", torch.bfloat16):
        rough = net.score(SRC, TGT)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, net.score(SRC, TGT), rtol=0.05, atol=0.05)


def test_no_rows_are_not_padded():
    with pytest.raises(ValueError, match="at least one phrase, got none"):
        pad([])


def test_batches_are_of_similar_length_and_take_each_pair_once():
    pairs = [([4] * n, [5] * (1 + n % 7)) for n in range(1, 101)]
    found = list(batches_of_one_length(pairs, 8, 4, seeded()))
    assert sorted(i for batch in found for i in batch) == list(range(100))
    spread = [len({len(pairs[i][1]) for i in batch}) for batch in found]
    assert max(spread) <= 4
    ids, length = pad([[4, 5], [6]], 0)
    assert ids.tolist() == [[4, 5], [6, 0]]
    assert length.tolist() == [2, 1]


# Bad input -----------------------------------------------------------------------------------

BAD = [
    (lambda n: EncoderDecoderConfig(hidden_size=0), ValueError, "hidden_size must be at least 1"),
    (lambda n: EncoderDecoderConfig(output_rank=0), ValueError, "output_rank must be at least 1"),
    (lambda n: EncoderDecoderConfig(gates=("keep",)), ValueError, "among reset, update"),
    (lambda n: EncoderDecoderConfig(encoder_reset="x"), ValueError, "encoder_reset must be"),
    (lambda n: EncoderDecoderConfig(gate_context=True), ValueError, "decoder_reset='after'"),
    (lambda n: EncoderDecoderConfig(eos_id=15_000), ValueError, "eos_id must be an id below"),
    (lambda n: RNNEncoderDecoder.from_preset("big"), ValueError, "no preset 'big'; there are"),
    (lambda n: n.encode(SRC.float()), TypeError, "src must hold integer ids, got torch.float32"),
    (lambda n: n.encode(SRC + 1), ValueError, r"src must hold ids in 0 … 29, got 30 at row 0, pl"),
    (lambda n: n.encode(SRC[0]), ValueError, r"src must have shape \(batch, length ≥ 1\)"),
    (lambda n: n.encode(SRC * torch.tensor([[1], [0]])), ValueError, "got 0 in row 1"),
    (lambda n: n.encode(SRC, torch.tensor([5, 1])), ValueError, r"1 … 4, got 5 in row 0"),
    (lambda n: n.encode(SRC, torch.tensor([4])), ValueError, "each of 2 phrases"),
    (lambda n: n.encode(SRC.flip(1)), ValueError, "src must be padded on the right, got pad"),
    (lambda n: n.score(SRC, TGT.flip(1)), ValueError, "tgt must be padded on the right"),
    (lambda n: n.score(SRC, TGT, torch.tensor([4.0, 2.0])), TypeError, "src_len must hold int"),
    (lambda n: n.score(SRC, TGT[:1]), ValueError, "src has 2 phrases and tgt 1"),
    (lambda n: n.score(SRC, TGT + 5), ValueError, "tgt must hold ids in 0 … 6"),
    (lambda n: n.score(SRC, TGT.bool()), TypeError, "tgt must hold integer ids"),
    (lambda n: n.score(SRC, TGT * torch.tensor([[1], [0]])), ValueError, "no words in row 1"),
    (lambda n: n.loss(SRC, None, TGT, "sum"), ValueError, "'pairs' or 'words', got 'sum'"),
    (lambda n: beam_search(n, SRC, beam=0), ValueError, "beam must lie in 1 … target_vocab_size"),
    (lambda n: greedy(n, SRC, max_len=0), ValueError, "max_len must be at least 1, got 0"),
    (lambda n: sample(n, SRC, temperature=0), ValueError, "temperature must be positive"),
    (lambda n: say(n, "word"), ValueError, "29 letters and 74 phones is asked for"),
    (lambda n: letters_to_ids("it's"), ValueError, "letters a to z"),
    (lambda n: phones_to_ids(["QQ"]), ValueError, "no phone 'QQ'"),
    (lambda n: fill(n, {"a": torch.zeros(1)}), ValueError, "missing decoder.embedding.weight"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(made())
