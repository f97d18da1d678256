"""Weights both ways under Hugging Face's and fairseq's names; files; what is refused."""

import argparse
import json

import pytest
import torch

from lessons.roberta import (
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForPreTraining,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaModel,
    config_from_json,
    from_fairseq,
    from_hugging_face,
    load,
    save,
    to_fairseq,
    to_hugging_face,
)

TINY = RobertaConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=24, max_position_embeddings=14,
)  # fmt: skip
IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 2, 1, 1]])
# A layer of fairseq's checkpoints, as transformers' conversion script reads them.
LAYER = [
    "self_attn.k_proj.weight", "self_attn.k_proj.bias", "self_attn.v_proj.weight",
    "self_attn.v_proj.bias", "self_attn.q_proj.weight", "self_attn.q_proj.bias",
    "self_attn.out_proj.weight", "self_attn.out_proj.bias", "self_attn_layer_norm.weight",
    "self_attn_layer_norm.bias", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
    "final_layer_norm.weight", "final_layer_norm.bias",
]  # fmt: skip
FAIRSEQ = {
    *(f"decoder.sentence_encoder.layers.{i}.{name}" for i in range(2) for name in LAYER),
    *(f"decoder.sentence_encoder.{name}" for name in (
        "embed_tokens.weight", "embed_positions.weight", "emb_layer_norm.weight",
        "emb_layer_norm.bias")),
    *(f"decoder.lm_head.{name}" for name in (
        "weight", "bias", "dense.weight", "dense.bias", "layer_norm.weight", "layer_norm.bias")),
}  # fmt: skip


def model(kind=RobertaForMaskedLM, **options):
    made = kind(TINY, generator=torch.Generator().manual_seed(0), **options).eval()
    with torch.no_grad():
        for i, parameter in enumerate(made.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(i))
            parameter.add_(0.1 * noise)
    return made


def test_fairseqs_names_both_ways():
    net = model()
    state = to_fairseq(net)
    assert set(state) == FAIRSEQ
    again = from_fairseq(state, num_attention_heads=4)
    torch.testing.assert_close(again(IDS)[IDS != 1], net(IDS)[IDS != 1], atol=1e-5, rtol=1e-5)
    assert float(again.roberta.embeddings.segment.weight.detach().abs().max()) == 0
    assert {k: v.shape for k, v in to_fairseq(again).items()} == {
        k: v.shape for k, v in state.items()
    }


def test_fairseqs_newer_and_older_names():
    net = model()
    state = to_fairseq(net)
    newer = {
        k.replace("decoder.", "encoder.").replace("emb_layer_norm", "layernorm_embedding"): v
        for k, v in state.items()
    }
    older = {k: v for k, v in state.items() if "_proj" not in k or "out_proj" in k}
    for i in range(2):
        at = f"decoder.sentence_encoder.layers.{i}.self_attn."
        for kind in ("weight", "bias"):
            older[f"{at}in_proj_{kind}"] = torch.cat([state[f"{at}{p}_proj.{kind}"] for p in "qkv"])
    for other in (newer, older):
        found = from_fairseq(other, num_attention_heads=4)
        torch.testing.assert_close(found(IDS)[0], net(IDS)[0], atol=1e-5, rtol=1e-5)


def test_fairseqs_classification_heads():
    net = model(RobertaForSequenceClassification, num_labels=3)
    state = to_fairseq(net, head="mnli") | {
        k: v for k, v in to_fairseq(model()).items() if "lm_head" in k
    }
    found = from_fairseq(state, head="mnli", num_attention_heads=4)
    torch.testing.assert_close(found(IDS), net(IDS), atol=1e-5, rtol=1e-5)
    assert type(from_fairseq(state, num_attention_heads=4)) is RobertaForMaskedLM
    with pytest.raises(ValueError, match=r"one of \['mnli'\], got 'rte'"):
        from_fairseq(state, head="rte")


def test_a_checkpoint_with_fairseqs_options_loads(tmp_path):
    """fairseq keeps the training's options beside the weights, as an argparse.Namespace."""
    net, path = model(), tmp_path / "model.pt"
    torch.save({"args": argparse.Namespace(arch="roberta"), "model": to_fairseq(net)}, path)
    found = from_fairseq(load(path), num_attention_heads=4)
    torch.testing.assert_close(found(IDS)[0], net(IDS)[0], atol=1e-5, rtol=1e-5)


def test_what_fairseq_has_not():
    for kind in (RobertaModel, RobertaForQuestionAnswering):
        with pytest.raises(ValueError, match=f"fairseq has no {kind.__name__}"):
            to_fairseq(model(kind))
    state = to_fairseq(model())
    del state["decoder.sentence_encoder.embed_tokens.weight"]
    with pytest.raises(ValueError, match=r"no matrix .*embed_tokens"):
        from_fairseq(state)
    state = to_fairseq(model())
    state["decoder.sentence_encoder.layers.0.self_attn.in_proj_weight"] = torch.zeros(7, 16)
    with pytest.raises(ValueError, match="three on top of each other"):
        from_fairseq(state, num_attention_heads=4)


def test_heads_that_transformers_has_not():
    for kind, options in (
        (RobertaForPreTraining, {}),
        (RobertaForQuestionAnswering, {"answerable": True}),
    ):
        with pytest.raises(ValueError, match="transformers has no RoBERTa with the heads"):
            to_hugging_face(model(kind, **options))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s.pop("lm_head.dense.weight"), "has no 'lm_head.dense.weight'"),
        (lambda s: s.update(x=torch.zeros(1)), "1 tensors too many, the first is 'x'"),
        (
            lambda s: s.update({"lm_head.dense.weight": torch.zeros(3, 3)}),
            r"must have shape \(16, 16\), got \(3, 3\)",
        ),
        (
            lambda s: s.update({"lm_head.decoder.weight": torch.zeros(40, 16)}),
            "must equal roberta.embeddings.word_embeddings.weight",
        ),
        (
            lambda s: s.pop("roberta.encoder.layer.1.attention.self.key.bias"),
            "has no 'roberta.encoder.layer.1.attention.self.key.bias'",
        ),
        (
            lambda s: s.update({"lm_head.dense.bias": torch.zeros(16, dtype=torch.long)}),
            "must hold floats, got torch.int64",
        ),
        (
            lambda s: s.pop("roberta.embeddings.position_embeddings.weight"),
            "has no 'roberta.embeddings.position_embeddings.weight'",
        ),
        (lambda s: s.update(x=3), "'x': int"),
    ],
)
def test_state_dicts_that_do_not_fit(change, match):
    state = dict(to_hugging_face(model()))
    change(state)
    with pytest.raises(ValueError, match=match):
        from_hugging_face(state, num_attention_heads=4)


def test_heads_are_asked_for_when_shapes_do_not_show_them():
    with pytest.raises(ValueError, match="say num_attention_heads: heads of 64 do not divide 16"):
        from_hugging_face(to_hugging_face(model()))


def test_an_encoder_out_of_a_larger_model():
    net = model()
    found = from_hugging_face(to_hugging_face(net), RobertaModel, num_attention_heads=4)
    assert found.pooler is None
    torch.testing.assert_close(
        found(IDS).last_hidden_state[0], net.roberta(IDS).last_hidden_state[0]
    )
    head = from_hugging_face(
        {k: v for k, v in to_hugging_face(net).items() if not k.startswith("lm_head")},
        num_attention_heads=4,
    )
    assert type(head) is RobertaModel


def test_wrappers_are_undone(tmp_path):
    net = model()
    wrapped = {f"module._orig_mod.{k}": v for k, v in net.state_dict().items()}
    torch.save({"state_dict": wrapped}, tmp_path / "net.pt")
    assert load(tmp_path / "net.pt").keys() == net.state_dict().keys()
    save(tmp_path / "net.safetensors", net.state_dict())
    for name, tensor in load(tmp_path / "net.safetensors").items():
        assert torch.equal(tensor, net.state_dict()[name])
    (tmp_path / "bad").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="a web page"):
        load(tmp_path / "bad")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("executed",)

    torch.save({"model": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="not executed"):
        load(tmp_path / "evil.pt")


def test_configurations_of_hugging_face():
    text = json.dumps({
        "vocab_size": 50265, "hidden_size": 1024, "num_hidden_layers": 24, "hidden_act": "gelu",
        "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514,
        "type_vocab_size": 1, "layer_norm_eps": 1e-05, "pad_token_id": 1, "model_type": "roberta",
    })  # fmt: skip
    from lessons.roberta import PRESETS

    assert config_from_json(text) == PRESETS["roberta-large"]
    for bad, match in (("[", "no JSON"), ("[]", "is an object, got list"),
                       ('{"position_embedding_type": "relative_key"}', "absolute"),
                       ('{"hidden_act": "silu"}', "gelu or relu")):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            config_from_json(bad)
