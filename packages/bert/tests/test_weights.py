"""Names of others, both ways; files; state dicts that do not fit."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.bert import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    config_from_json,
    from_google,
    from_hugging_face,
    load,
    save,
    to_google,
    to_hugging_face,
)

SMALL = BertConfig(20, 16, 2, 4, max_position_embeddings=8)
# What google-research/bert names its variables, with their shapes here (modeling.py, and the heads
# of run_pretraining.py): each layer has those of layer_0.
GOOGLE = {
    "bert/embeddings/word_embeddings": (20, 16),
    "bert/embeddings/token_type_embeddings": (2, 16),
    "bert/embeddings/position_embeddings": (8, 16),
    "bert/embeddings/LayerNorm/gamma": (16,),
    "bert/embeddings/LayerNorm/beta": (16,),
    "bert/encoder/layer_0/attention/self/query/kernel": (16, 16),
    "bert/encoder/layer_0/attention/self/query/bias": (16,),
    "bert/encoder/layer_0/attention/self/key/kernel": (16, 16),
    "bert/encoder/layer_0/attention/self/key/bias": (16,),
    "bert/encoder/layer_0/attention/self/value/kernel": (16, 16),
    "bert/encoder/layer_0/attention/self/value/bias": (16,),
    "bert/encoder/layer_0/attention/output/dense/kernel": (16, 16),
    "bert/encoder/layer_0/attention/output/dense/bias": (16,),
    "bert/encoder/layer_0/attention/output/LayerNorm/gamma": (16,),
    "bert/encoder/layer_0/attention/output/LayerNorm/beta": (16,),
    "bert/encoder/layer_0/intermediate/dense/kernel": (16, 64),
    "bert/encoder/layer_0/intermediate/dense/bias": (64,),
    "bert/encoder/layer_0/output/dense/kernel": (64, 16),
    "bert/encoder/layer_0/output/dense/bias": (16,),
    "bert/encoder/layer_0/output/LayerNorm/gamma": (16,),
    "bert/encoder/layer_0/output/LayerNorm/beta": (16,),
    "bert/pooler/dense/kernel": (16, 16),
    "bert/pooler/dense/bias": (16,),
    "cls/predictions/transform/dense/kernel": (16, 16),
    "cls/predictions/transform/dense/bias": (16,),
    "cls/predictions/transform/LayerNorm/gamma": (16,),
    "cls/predictions/transform/LayerNorm/beta": (16,),
    "cls/predictions/output_bias": (20,),
    "cls/seq_relationship/output_weights": (2, 16),
    "cls/seq_relationship/output_bias": (2,),
}


def made(kind, seed=0):
    net = kind(SMALL, generator=torch.Generator().manual_seed(seed)).eval()
    for parameter in net.parameters():
        parameter.data += torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(seed + 1)
        )
    return net


def equal(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_googles_names_and_shapes():
    shapes = {
        name.replace("layer_0", f"layer_{i}"): shape
        for name, shape in GOOGLE.items()
        for i in (0, 1)
    }
    net = made(BertForPreTraining)
    found = to_google(net)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == shapes
    layer = net.bert.layers[1]
    inner = "bert/encoder/layer_1/"
    assert torch.equal(found[f"{inner}intermediate/dense/kernel"], layer.linear1.weight.T)
    query, key, value = layer.attention.in_proj.weight.chunk(3)
    for name, matrix in (("query", query), ("key", key), ("value", value)):
        assert torch.equal(found[f"{inner}attention/self/{name}/kernel"], matrix.T)
    assert torch.equal(found["cls/seq_relationship/output_weights"], net.next_sentence.weight)


@pytest.mark.parametrize("kind", [
    BertModel, BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction,
    BertForSequenceClassification, BertForQuestionAnswering,
])  # fmt: skip
def test_googles_checkpoints_are_read_with_what_the_optimizer_leaves(kind):
    net = made(kind)
    variables = to_google(net)
    heads = {
        BertForSequenceClassification: {"output_weights", "output_bias"},
        BertForQuestionAnswering: {"cls/squad/output_weights", "cls/squad/output_bias"},
    }
    assert heads.get(kind, set()) <= variables.keys()
    slots = {f"{name}/adam_{x}": tensor for name, tensor in variables.items() for x in "mv"}
    variables |= slots | {"global_step": torch.tensor(1_000_000)}
    again = from_google(variables, num_attention_heads=4)
    assert type(again) is kind
    equal(again, net)


def test_heads_that_google_has_not():
    for kind in (BertForTokenClassification, BertForMultipleChoice):
        with pytest.raises(ValueError, match=f"Google's code has no {kind.__name__}"):
            to_google(made(kind))


def test_names_of_old_files_and_of_encoders_alone():
    net = made(BertForPreTraining)
    state = to_hugging_face(net)
    ends = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    old = {}
    for name, tensor in state.items():
        for new, before in ends.items():
            name = name.replace(new, before)
        old[name] = tensor
    old |= {"bert.embeddings.position_ids": torch.arange(8)[None]}
    for tied in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
        del old[tied]
    equal(from_hugging_face(old, num_attention_heads=4), net)
    encoder = to_hugging_face(net.bert)
    assert not any(name.startswith("bert.") for name in encoder)
    equal(from_hugging_face(encoder, num_attention_heads=4), net.bert)
    equal(from_hugging_face(state, BertModel, num_attention_heads=4), net.bert)
    language = from_hugging_face(state, BertForMaskedLM, num_attention_heads=4)
    equal(language.masked_lm, net.masked_lm)
    assert language.bert.pooler is None


def test_a_loaded_model_has_its_own_copies():
    state = to_hugging_face(made(BertModel))
    net = from_hugging_face(state, num_attention_heads=4)
    before = net.embeddings.token.weight.clone()
    state["embeddings.word_embeddings.weight"].zero_()
    assert torch.equal(net.embeddings.token.weight, before)
    assert not net.training


def test_a_file_reads_back(tmp_path):
    net = made(BertForPreTraining)
    path = tmp_path / "model.safetensors"
    save(path, to_hugging_face(net))
    equal(from_hugging_face(load(path), num_attention_heads=4), net)
    torch.save({"state_dict": {f"module.{k}": v for k, v in to_hugging_face(net).items()}}, path)
    equal(from_hugging_face(load(path), num_attention_heads=4), net)
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="is a web page; expected a state dict"):
        load(path)


def test_heads_of_sixty_four_are_the_default():
    config = BertConfig(20, 128, 1, 2, max_position_embeddings=4)
    state = to_hugging_face(BertModel(config))
    assert from_hugging_face(state).config == config
    for hidden, heads in ((48, 4), (384, 12)):  # heads of 64 would divide 384
        config = BertConfig(20, hidden, 1, heads, max_position_embeddings=4, hidden_act="relu")
        state = to_hugging_face(BertModel(config))
        with pytest.raises(ValueError, match="num_attention_heads or config must be given"):
            from_hugging_face(state)
        assert from_hugging_face(state, config=config).config == config
        assert from_hugging_face(state, num_attention_heads=2, config=config, hidden_act="gelu")


QUERY = "bert.encoder.layer.1.attention.self.query.weight"
DENSE = "bert.encoder.layer.0.output.dense.bias"
WORDS = "bert.embeddings.word_embeddings.weight"


@pytest.mark.parametrize(("name", "change", "says"), [
    (QUERY, None, f"state_dict has no '{QUERY}'"),
    (QUERY, lambda t: t[:8], r"key.weight and .*query.weight must have one shape, got \(16, 16\)"),
    (QUERY, lambda t: t.double(), "key.weight is of another type"),
    ("bert.extra", lambda _: torch.zeros(1), "1 tensors too many, the first is 'bert.extra'"),
    (DENSE, None, f"no '{DENSE}'"),
    (DENSE, lambda t: t[:3], r"must have shape \(16,\), got \(3,\)"),
    ("bert.pooler.dense.bias", lambda t: t.long(), "must hold floats, got torch.int64"),
    (WORDS, None, f"has no '{WORDS}'|must equal"),
    (WORDS, lambda t: t[0], "must equal|must be a matrix"),
    ("cls.predictions.decoder.weight", lambda t: t + 1, "decoder.weight must equal .*is tied"),
    ("cls.predictions.bias", lambda _: 3, "'cls.predictions.bias': int"),
    ("embeddings.word_embeddings.weight", lambda _: torch.zeros(1), "two tensors for"),
])  # fmt: skip
def test_state_dicts_that_do_not_fit(name, change, says):
    state = to_hugging_face(made(BertForPreTraining))
    old = state.pop(name, None)
    if change is not None:
        state[name] = change(old)
    with pytest.raises(ValueError, match=says):
        from_hugging_face(state, num_attention_heads=4)


STATE = to_hugging_face(made(BertForPreTraining))
FORMS = {
    "theirs": (STATE, from_hugging_face),
    "googles": (to_google(made(BertForPreTraining)), from_google),
}


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_mutated_state_dict_loads_or_raises_a_value_error(data):
    whole, read = FORMS[data.draw(st.sampled_from(sorted(FORMS)))]
    state = dict(whole)
    names = st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=2, unique=True)
    for name in data.draw(names):
        tensor = state.pop(name)
        other = data.draw(st.sampled_from([
            tensor, None, 3.0, tensor[0], tensor[:0], tensor[..., :1], tensor[:-1], tensor.double(),
            tensor.bfloat16(), tensor.int(), tensor.bool(), tensor.to(torch.complex64),
            tensor.to_sparse(), tensor.to("meta"), tensor[None], torch.tensor(1.0),
            tensor * torch.nan,
        ]))  # fmt: skip
        new = data.draw(st.sampled_from([
            name, "module." + name, name + "_", name.replace("0", "1000000000"),
            name.replace("bert", ""), name.replace("query", "key"), name.replace("weight", "bias"),
        ]))  # fmt: skip
        if other is not None:
            state[new] = other
    try:
        read(state, num_attention_heads=4)
    except ValueError as error:
        assert str(error)  # noqa: PT017


def test_googles_kernels_are_matrices():
    variables = to_google(made(BertModel))
    variables["bert/pooler/dense/kernel"] = torch.zeros(3)
    with pytest.raises(ValueError, match=re.escape("bert/pooler/dense/kernel must be a matrix")):
        from_google(variables, num_attention_heads=4)


def test_configurations_are_read():
    text = """{"architectures": ["BertModel"], "hidden_size": 384, "num_attention_heads": 12,
        "num_hidden_layers": 6, "intermediate_size": 1536, "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-12, "position_embedding_type": "absolute", "vocab_size": 30522}"""
    want = BertConfig(30522, 384, 6, 12, hidden_act="gelu_tanh", drop_padding=True)
    assert config_from_json(text, drop_padding=True) == want
    for wrong, says in (
        ("{", "no JSON"), ("[1]", "a configuration is an object, got list"),
        ('{"hidden_act": "silu"}', "hidden_act must be one of"),
        ('{"position_embedding_type": "relative_key"}', "positions must be absolute"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            config_from_json(wrong)
