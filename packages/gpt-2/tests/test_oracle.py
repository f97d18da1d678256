"""Equality with an independent implementation: transformers' GPT-2, and OpenAI's layout."""

import copy

import pytest
import torch
import torch.nn.functional as F

from lessons.gpt_2 import (
    PRESETS,
    PRINTED_MILLIONS,
    beam_search,
    from_hugging_face,
    from_openai,
    greedy,
    load,
    log_probabilities,
    save,
    to_hugging_face,
    to_openai,
    truncate,
)


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


@pytest.mark.parametrize("eos", [None, 5])
@pytest.mark.parametrize(("beams", "penalty"), [(1, 0.0), (3, 0.0), (4, 1.0), (4, 2.0)])
def test_beam_search_equals_transformers(theirs, beams, penalty, eos):
    ours, x = from_hugging_face(theirs.state_dict(), n_head=4), ids(2, 6)
    theirs.generation_config.eos_token_id = eos
    want = theirs.generate(
        x, attention_mask=torch.ones_like(x), max_new_tokens=9, do_sample=False, num_beams=beams,
        num_return_sequences=beams, length_penalty=penalty, early_stopping="never",
        pad_token_id=0, eos_token_id=eos, output_scores=True, return_dict_in_generate=True,
    )  # fmt: skip
    found = beam_search(ours, x, 9, beams=beams, length_penalty=penalty, eos_token_id=eos)
    assert [len(of_one) for of_one in found] == [beams, beams]
    flat = [hypothesis for of_one in found for hypothesis in of_one]
    for hypothesis, row in zip(flat, want.sequences[:, 6:].tolist()):
        assert hypothesis.ids == row[: len(hypothesis.ids)]
        assert set(row[len(hypothesis.ids) :]) <= {0}, "padding behind the end"
    if beams > 1:
        scores = [hypothesis.score for hypothesis in flat]
        torch.testing.assert_close(torch.tensor(scores), want.sequences_scores)


def test_a_penalty_on_repetition_equals_transformers(theirs):
    ours, x = from_hugging_face(theirs.state_dict(), n_head=4), ids(3, 6)
    want = theirs.generate(
        x, attention_mask=torch.ones_like(x), max_new_tokens=20, do_sample=False, num_beams=1,
        repetition_penalty=1.7, pad_token_id=0, eos_token_id=None,
    )[:, 6:]  # fmt: skip
    got = greedy(ours, x, 20, repetition_penalty=1.7)
    assert torch.equal(got, want)
    assert not torch.equal(got, greedy(ours, x, 20))


@pytest.mark.parametrize("min_p", [0.01, 0.3, 1.0])
def test_what_is_likely_enough_equals_transformers(min_p):
    from transformers import MinPLogitsWarper

    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    got = truncate(logits.softmax(-1), min_p=min_p)
    want = MinPLogitsWarper(min_p)(None, logits).softmax(-1)
    torch.testing.assert_close(got / got.sum(-1, keepdim=True), want)


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


@pytest.mark.parametrize("name", PRINTED_MILLIONS)
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
