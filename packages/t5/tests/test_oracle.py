"""Equality with transformers' T5 on equal weights, with its Adafactor, and with sentencepiece."""

import argparse
import copy
import io
import random
import re
import textwrap
import unicodedata
from pathlib import Path

import pytest
import torch

from lessons.t5 import (
    PRESETS,
    Adafactor,
    LanguageModel,
    Piece,
    SentencePieceUnigram,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5Model,
    beam_search,
    count_parameters,
    from_hugging_face,
    greedy,
    load,
    normalize,
    relative_position_bucket,
    shift_right,
    to_hugging_face,
    train_unigram,
)

SIZES = {
    "vocab_size": 61, "d_model": 24, "d_kv": 10, "d_ff": 40, "num_layers": 3, "num_heads": 3,
    "num_decoder_layers": 2,
}  # fmt: skip


def theirs(seed=0, kind="T5ForConditionalGeneration", **changes):
    import transformers

    torch.manual_seed(seed)
    config = transformers.T5Config(
        **SIZES | {"decoder_start_token_id": 0, "dropout_rate": 0.0} | changes
    )
    model = getattr(transformers, kind)(config).eval()
    for name, parameter in model.named_parameters():  # gains of one would hide faults
        parameter.data += 0.1 * torch.randn_like(parameter)
        if "relative" in name:
            parameter.data *= 10
    return model


def batch(b=4, s=150, t=140, v=61):
    """Texts longer than the farthest bucket, of unequal length."""
    g = torch.Generator().manual_seed(3)
    ids = torch.randint(2, v, (b, s), generator=g)
    mask = (torch.arange(s) < torch.tensor([s, s // 2, 3, 1])[:b, None]).long()
    return ids * mask, mask, torch.randint(2, v, (b, t), generator=g)


def untie(model):
    """Give transformers' model the output matrix of its own that v1.1 has, and no scale."""
    weight = model.lm_head.weight.detach()
    model.lm_head.weight = torch.nn.Parameter(weight + torch.randn_like(weight))
    model.config.scale_decoder_outputs = False
    return model


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_logits_loss_and_gradients_equal_transformers(version):
    if version == "1.0":
        model = theirs()
    else:
        kind = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
        model = untie(theirs(**kind))
    ours = from_hugging_face(model.state_dict())
    assert ours.config.tie_word_embeddings == (version == "1.0")
    ids, mask, labels = batch()
    labels[1, 20:] = -100
    want = model(input_ids=ids, attention_mask=mask, labels=labels)
    got = ours(ids, mask, labels=labels)
    torch.testing.assert_close(got, want.logits, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(ours.loss(ids, labels, mask), want.loss, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.loss(ids, labels), want.loss, atol=1e-5, rtol=1e-5)
    want.loss.backward()
    ours.loss(ids, labels, mask).backward()
    theirs_by_name = dict(model.named_parameters())
    named = to_hugging_face(ours)
    grads = {id(p): p.grad for p in ours.parameters()}
    checked = 0
    for name, parameter in ours.named_parameters():
        hf = next(n for n, t in named.items() if t.data_ptr() == parameter.data_ptr())
        torch.testing.assert_close(
            grads[id(parameter)], theirs_by_name[hf].grad, atol=1e-5, rtol=1e-3, msg=name
        )
        checked += 1
    assert checked == len(theirs_by_name)


def test_encoder_and_bare_model_equal_transformers():
    ids, mask, labels = batch()
    model = theirs(kind="T5EncoderModel")
    ours = from_hugging_face(model.state_dict())
    assert type(ours) is T5EncoderModel
    got, want = ours(ids, mask), model(ids, attention_mask=mask)[0]
    real = mask.bool()  # padding looks at nothing there, and at padding here
    torch.testing.assert_close(got[real], want[real], atol=2e-5, rtol=2e-5)
    model = theirs(kind="T5Model")
    ours = from_hugging_face(model.state_dict(), T5Model)
    read = shift_right(labels)
    want = model(input_ids=ids, attention_mask=mask, decoder_input_ids=read)[0]
    torch.testing.assert_close(ours(ids, mask, read), want, atol=2e-5, rtol=2e-5)
    whole = theirs().state_dict()
    assert type(from_hugging_face(whole, T5EncoderModel)) is T5EncoderModel


def test_weights_go_there_and_back_strictly():
    for share in (False, True):
        config = T5Config(**SIZES | {"num_decoder_layers": None}, share_stacks=share)
        ours = T5ForConditionalGeneration(config, torch.Generator().manual_seed(0)).eval()
        model = theirs(num_decoder_layers=3)
        model.load_state_dict(to_hugging_face(ours))
        ids, mask, labels = batch(s=9, t=7)
        want = model(input_ids=ids, attention_mask=mask, labels=labels).logits
        torch.testing.assert_close(ours(ids, mask, labels=labels), want, atol=2e-5, rtol=2e-5)
    v1_1 = T5Config(**SIZES, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    ours = T5ForConditionalGeneration(v1_1, torch.Generator().manual_seed(0)).eval()
    model = untie(theirs(feed_forward_proj="gated-gelu", tie_word_embeddings=False))
    model.load_state_dict(to_hugging_face(ours))
    want = model(input_ids=ids, attention_mask=mask, labels=labels).logits
    torch.testing.assert_close(ours(ids, mask, labels=labels), want, atol=2e-5, rtol=2e-5)


def test_a_saved_file_of_theirs_loads(tmp_path):
    model = theirs()
    model.save_pretrained(tmp_path)
    ours = from_hugging_face(load(tmp_path / "model.safetensors"))
    ids, mask, labels = batch(s=9, t=7)
    want = model(input_ids=ids, attention_mask=mask, labels=labels).logits
    torch.testing.assert_close(ours(ids, mask, labels=labels), want, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("beam", [1, 4])
def test_written_ids_equal_transformers(beam):
    # Few tokens, so that answers end: of those that do not, theirs counts more than ours does.
    model = theirs(seed=2, vocab_size=7)
    ours = from_hugging_face(model.state_dict())
    ids, mask, _ = batch(b=4, s=12, v=7)
    want = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=40, do_sample=False, num_beams=beam,
        length_penalty=0.0, early_stopping="never" if beam > 1 else False, suppress_tokens=[0],
    )[:, 1:]  # fmt: skip
    if beam == 1:
        got = greedy(ours, ids, 40)
    else:  # theirs divides by a power of the length, ours as Wu et al. do: equal at 0
        got = beam_search(ours, ids, 40, beam, alpha=0.0).ids
        assert (want == 1).any(1).all(), "all of them end"
    n = max(got.shape[1], want.shape[1])
    got, want = (torch.nn.functional.pad(x, (0, n - x.shape[1])) for x in (got, want))
    assert torch.equal(got, want)


def test_buckets_equal_transformers_at_every_offset():
    from transformers.models.t5.modeling_t5 import T5Attention

    offsets = torch.arange(-3000, 3001)
    for buckets, distance in ((32, 128), (32, 64), (8, 20), (4, 3), (320, 800)):
        for both in (True, False):
            want = T5Attention._relative_position_bucket(offsets, both, buckets, distance)
            assert torch.equal(relative_position_bucket(offsets, both, buckets, distance), want)


@pytest.mark.parametrize("name", [n for n in PRESETS if n.startswith("t5-")])
def test_every_released_size_has_transformers_count(name):
    import transformers

    c = PRESETS[name]
    fields = ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers", "num_heads")
    config = transformers.T5Config(
        **{field: getattr(c, field) for field in fields},
        feed_forward_proj=c.feed_forward_proj, tie_word_embeddings=c.tie_word_embeddings,
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.T5ForConditionalGeneration(config)
        ours = T5ForConditionalGeneration.from_preset(name)
    count = sum(p.numel() for p in model.parameters())
    if not c.tie_word_embeddings:  # theirs is tied until a file unties it
        count += c.vocab_size * c.d_model
    assert sum(p.numel() for p in ours.parameters()) == count == count_parameters(c)


def test_exact_sizes():
    """The counts of the released models, and those that the paper prints, rounded."""
    assert {name: count_parameters(c) for name, c in PRESETS.items() if name[:3] == "t5-"} == {
        "t5-small": 60_506_624, "t5-base": 222_903_552, "t5-large": 737_668_096,
        "t5-3b": 2_851_598_336, "t5-11b": 11_307_321_344, "t5-v1_1-small": 76_961_152,
        "t5-v1_1-base": 247_577_856, "t5-v1_1-large": 783_150_080, "t5-v1_1-xl": 2_849_757_184,
        "t5-v1_1-xxl": 11_135_332_352,
    }  # fmt: skip


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_adafactor_equals_transformers(factored, relative, scale):
    from transformers import Adafactor as Theirs

    g = torch.Generator().manual_seed(0)
    shapes = [(6, 4), (5,), (2, 3, 4), ()] if factored else [(5,), ()]
    start = [torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes]
    lr = None if relative else 0.03
    mine = [torch.nn.Parameter(x.clone()) for x in start]
    their = [torch.nn.Parameter(x.clone()) for x in start]
    optimizers = (
        Adafactor(mine, lr, scale_parameter=scale, factored=factored, weight_decay=0.1),
        Theirs(their, lr, scale_parameter=scale, relative_step=relative, weight_decay=0.1),
    )
    for step in range(12):
        for a, b in zip(mine, their):
            a.grad = torch.randn(a.shape, generator=g, dtype=torch.float64) * 10 ** (step % 3 - 1)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        for a, b in zip(mine, their):
            torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


@pytest.fixture(scope="module")
def prose():
    """Lines of Python's own library."""
    paths = [Path(module.__file__) for module in (argparse, random, re, copy, textwrap)]
    lines = [line for path in paths for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line.strip()][:1500]


@pytest.fixture(scope="module")
def trained(prose):
    import sentencepiece

    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(prose), model_writer=out, vocab_size=300, model_type="unigram",
        num_threads=1, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
        hard_vocab_limit=False,
    )  # fmt: skip
    return out.getvalue()


def test_pieces_and_text_equal_sentencepiece(prose, trained, tmp_path):
    import sentencepiece

    (tmp_path / "spiece.model").write_bytes(trained)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=trained)
    ours = SentencePieceUnigram.from_file(tmp_path / "spiece.model", extra_ids=0)
    assert ours.vocab_size == theirs.vocab_size()
    odd = ["", " ", "naïve ﬁne… x²  y", "日本 語 日本", "a\u00a0b\tc", "ﾊﾝｶｸ ½", "▁x", "“quoted”"]
    equal = 0
    for text in prose + odd:
        want, got = theirs.encode(text), ours.encode(text)
        if want != got:  # a tie: another cut that is worth exactly as much
            score = [sum(theirs.get_score(i) for i in ids) for ids in (want, got)]
            assert score[0] == pytest.approx(score[1], abs=1e-4), text
        equal += want == got
        assert ours.decode(want) == theirs.decode(want), text
    assert equal >= 0.995 * len(prose)


def test_normalization_equals_sentencepiece_at_every_character():
    import sentencepiece

    theirs = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    differ = []
    for code in range(1, 0x3000):
        character = chr(code)
        if unicodedata.category(character) == "Cn" or character == "▁":
            continue  # not assigned in this Python's Unicode
        want = theirs.normalize(f"a{character}b").replace("▁", " ").lstrip(" ")
        if normalize(f"a{character}b") != want:
            differ.append(hex(code))
    assert differ == ["0x344"], "U+0344 alone: decomposed here and not there"


def test_what_we_write_sentencepiece_reads(prose):
    import sentencepiece

    ours = train_unigram(prose[:200], 150, extra_ids=0)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=ours.to_bytes())
    assert (theirs.pad_id(), theirs.eos_id(), theirs.unk_id(), theirs.bos_id()) == (0, 1, 2, -1)
    for text in prose[:200]:
        clean = normalize(text)
        want, got = theirs.encode(clean), ours.encode(clean)
        if want != got:
            assert sum(map(theirs.get_score, want)) == pytest.approx(
                sum(map(theirs.get_score, got)), abs=1e-4
            )


def test_training_does_no_worse_than_sentencepiece(prose, trained):
    """As many pieces, learned from the same text, cut it into no more than 2% more of them."""
    import sentencepiece

    theirs = sentencepiece.SentencePieceProcessor(model_proto=trained)
    ours = train_unigram(prose, theirs.vocab_size(), seeds=1000, rounds=1)
    assert len(ours.pieces) == theirs.vocab_size()
    count = sum(len(ours.encode(text)) for text in prose)
    assert count <= 1.02 * sum(len(theirs.encode(text)) for text in prose)


def test_tokenizer_equals_transformers_around_sentinels():
    tokenizers = pytest.importorskip("tokenizers")
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("a", -3.0),
              ("▁a", -2.5), ("b", -3.0)]  # fmt: skip
    special = {0: 3, 1: 3, 2: 2}
    ours = SentencePieceUnigram(
        [Piece(text, score, special.get(i, 1)) for i, (text, score) in enumerate(pieces)], 3
    )
    model = tokenizers.Tokenizer(tokenizers.models.Unigram(pieces, unk_id=2))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    model.add_special_tokens([f"<extra_id_{i}>" for i in (2, 1, 0)])
    for text in ("a b ab", "ab <extra_id_0> b", "zz a"):
        want = model.encode(text).ids
        assert [i for i in ours.encode(text) if i != 3] == [i for i in want if i != 3], text
    assert ours.encode("<extra_id_0>") == [9]


def test_a_language_model_is_a_decoder_whose_encoder_says_nothing():
    """The stack without attention to an encoder equals transformers' with that switched off."""
    model = theirs(num_layers=2)
    for block in model.decoder.block:
        block.layer[1].EncDecAttention.o.weight.data.zero_()
    ours = LanguageModel(T5Config(**SIZES | {"num_layers": 2}, dropout_rate=0.0)).eval()
    whole = from_hugging_face(model.state_dict()).state_dict()
    ours.load_state_dict({name: whole[name] for name in ours.state_dict()})
    ids, mask, labels = batch(s=9, t=7)
    want = model(input_ids=ids, attention_mask=mask, labels=labels).logits
    got = ours(torch.zeros(4, 0, dtype=torch.long), labels=labels)
    torch.testing.assert_close(got, want, atol=2e-5, rtol=2e-5)
