"""The encoder and its heads: positions, padding, exact sizes, what compiles, bad input."""

import copy
import dataclasses
import pickle

import pytest
import torch
from torch import nn

from lessons.roberta import (
    PRESETS,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForPreTraining,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    best_span,
    count_parameters,
    position_ids,
    span_loss,
)
from lessons.roberta.tasks import SpanLogits

TINY = RobertaConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=14, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 2, 1, 1]])
HEADED = [
    RobertaForMaskedLM, RobertaForPreTraining, RobertaForQuestionAnswering,
    RobertaForSequenceClassification, RobertaForTokenClassification,
]  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(kind=RobertaModel, config=TINY, **options):
    return kind(config, generator=seeded(), **options).eval()


def leaves(output):
    return [x for x in (output if isinstance(output, tuple) else (output,)) if x is not None]


def test_positions_count_tokens_from_2():
    ids = torch.tensor([[0, 5, 6, 2, 1, 1], [1, 1, 0, 5, 6, 2], [0, 5, 1, 6, 2, 1]])
    wanted = [[2, 3, 4, 5, 1, 1], [1, 1, 2, 3, 4, 5], [2, 3, 1, 4, 5, 1]]
    assert position_ids(ids).tolist() == wanted
    assert position_ids(torch.tensor([[7, 0, 8]]), pad_token_id=0).tolist() == [[1, 0, 2]]


@pytest.mark.parametrize("drop_padding", [False, True])
def test_padding_on_either_side_changes_nothing(drop_padding):
    net = model(config=dataclasses.replace(TINY, drop_padding=drop_padding))
    alone = net(torch.tensor([[0, 9, 8, 2]])).last_hidden_state[0]
    right = net(torch.tensor([[0, 9, 8, 2, 1, 1], [0, 5, 6, 7, 8, 2]])).last_hidden_state[0]
    left = net(torch.tensor([[1, 1, 0, 9, 8, 2], [0, 5, 6, 7, 8, 2]])).last_hidden_state[0]
    torch.testing.assert_close(right[:4], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(left[2:], alone, atol=1e-6, rtol=0)
    # Would positions start at place 0, what padding on the left moves would differ.
    moved = net.embeddings(torch.tensor([[0, 9, 8, 2]]), torch.tensor([[4, 5, 6, 7]]))
    assert (moved - net.embeddings(torch.tensor([[0, 9, 8, 2]]), position_ids(IDS[:1, :4]))).abs(
    ).max() > 0.1  # fmt: skip


@pytest.mark.parametrize("kind", [RobertaForSequenceClassification, RobertaForMultipleChoice])
def test_the_first_token_is_read_wherever_padding_stands(kind):
    net = model(kind)
    right, left = torch.tensor([[0, 9, 8, 2, 1, 1]]), torch.tensor([[1, 1, 0, 9, 8, 2]])
    if kind is RobertaForMultipleChoice:
        right, left = right[None], left[None]
    torch.testing.assert_close(net(left), net(right), atol=1e-6, rtol=0)


def test_dropping_padding_gives_the_same_values_and_gradients():
    found = []
    for drop in (False, True):
        net = model(RobertaForMaskedLM, dataclasses.replace(TINY, drop_padding=drop)).train()
        labels = torch.tensor([[-100, 5, -100, 7, -100], [-100, 9, -100, -100, -100]])
        loss = net.loss(IDS, labels)
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in net.parameters() if p.grad is not None)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_the_mask_is_guessed_from_the_padding_and_may_be_given():
    net = model()
    given = net(IDS, (IDS != 1).long()).last_hidden_state
    torch.testing.assert_close(net(IDS).last_hidden_state, given, atol=0, rtol=0)


def test_a_mask_that_disagrees_with_the_ids_is_refused():
    """Positions and the first token go by the ids: they would silently not be the mask's."""
    hidden_token = torch.tensor([[0, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with pytest.raises(ValueError, match="row 0, place 0, has id 0 and mask 0"):
        model()(IDS, hidden_token)
    with pytest.raises(ValueError, match="row 1, place 3, has id 1 and mask 1"):
        model()(IDS, torch.ones_like(IDS))


def test_all_512_tokens_fit_into_514_positions():
    config = dataclasses.replace(TINY, max_position_embeddings=514)
    assert config.max_length == RobertaConfig().max_length == 512
    net = model(config=config)
    assert net(torch.full((1, 512), 5)).last_hidden_state.isfinite().all()
    with pytest.raises(ValueError, match=r"at most 512 tokens a row, got 513.*514.*first 2"):
        net(torch.full((1, 513), 5))
    padded = torch.full((1, 520), 1)
    padded[0, 6:518] = 5
    assert net(padded).last_hidden_state.shape == (1, 520, 16), "padding needs no position"


@pytest.mark.parametrize(
    ("name", "pooler", "lm_head", "size"),
    [
        ("roberta-base", True, False, 124_645_632),
        ("roberta-base", False, False, 124_055_040),
        ("roberta-base", False, True, 124_697_433),
        ("roberta-large", True, False, 355_359_744),
        ("roberta-large", False, False, 354_310_144),
        ("roberta-large", False, True, 355_412_057),
    ],
)
def test_published_sizes(name, pooler, lm_head, size):
    """§5: "355M parameters"."""
    with torch.device("meta"):
        if lm_head:
            net = RobertaForMaskedLM.from_preset(name)
        else:
            net = RobertaModel.from_preset(name, add_pooling_layer=pooler)
    assert sum(p.numel() for p in net.parameters()) == size
    assert count_parameters(PRESETS[name], pooler, lm_head) == size


def test_the_vocabulary_adds_15_and_20_million():
    """§4.4: the larger vocabulary's rows, by which the nets of §4 and §5 differ."""
    rows = PRESETS["roberta-base"].vocab_size - PRESETS["ablation-base"].vocab_size
    assert rows == 50_265 - 30_522
    for size, added in (("base", 15_162_624), ("large", 20_216_832)):
        sizes = [count_parameters(PRESETS[f"{kind}-{size}"]) for kind in ("roberta", "ablation")]
        assert sizes[0] - sizes[1] == added


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_size_that_the_formula_says(name):
    with torch.device("meta"):
        net = RobertaForMaskedLM.from_preset(name)
    assert sum(p.numel() for p in net.parameters()) == count_parameters(PRESETS[name], lm_head=True)
    assert PRESETS[name].hidden_size // PRESETS[name].num_attention_heads == 64, "Table 9"


def test_initial_weights_follow_the_generator():
    one, two = (RobertaForMaskedLM(TINY, generator=seeded(3)) for _ in range(2))
    for a, b in zip(one.parameters(), two.parameters()):
        assert torch.equal(a, b)
    wide = RobertaModel(dataclasses.replace(TINY, hidden_size=64), generator=seeded(1))
    assert abs(float(wide.layers[0].linear1.weight.detach().std()) - 0.02) < 0.001
    assert float(wide.embeddings.token.weight[1].detach().abs().max()) == 0
    assert float(wide.embeddings.position.weight[1].detach().abs().max()) == 0


def test_padding_learns_nothing():
    net = model(RobertaForMaskedLM).train()
    before = net.roberta.embeddings.position.weight[1].clone()
    labels = torch.tensor([[-100, 5, -100, -100, -100], [-100, 9, -100, -100, -100]])
    net.loss(IDS, labels).backward()
    grad = net.roberta.embeddings.position.weight.grad
    assert float(grad[:2].abs().max()) == 0
    assert float(grad[2:7].abs().max()) > 0
    assert torch.equal(before, net.roberta.embeddings.position.weight[1])


def test_the_decoder_is_the_embedding():
    net = model(RobertaForMaskedLM)
    before = net(IDS)
    with torch.no_grad():
        net.roberta.embeddings.token.weight[20] += 1.0  # in none of the inputs
    after = net(IDS)
    assert (after - before)[..., 20].abs().min() > 0
    torch.testing.assert_close(after[..., :20], before[..., :20])


def test_the_loss_counts_hidden_tokens_only():
    net = model(RobertaForMaskedLM)
    labels = torch.tensor([[-100, 5, -100, 7, -100], [-100, 9, -100, -100, -100]])
    logs = net(IDS).log_softmax(-1)
    each = [-logs[0, 1, 5], -logs[0, 3, 7], -logs[1, 1, 9]]
    torch.testing.assert_close(net.loss(IDS, labels), sum(each) / 3)
    torch.testing.assert_close(net.loss(IDS, labels, reduction="sum"), sum(each))
    assert float(net.loss(IDS, torch.full_like(labels, -100))) == 0


def test_both_losses_of_berts_pre_training():
    net = model(RobertaForPreTraining)
    labels = torch.tensor([[-100, 5, -100, 7, -100], [-100, 9, -100, -100, -100]])
    lm, nsp = net.losses(IDS, labels, torch.tensor([0, 1]))
    prediction, relation = net(IDS)
    chosen = labels != -100
    wanted = nn.functional.cross_entropy(prediction[chosen], labels[chosen])
    torch.testing.assert_close(lm, wanted)
    logs = relation.log_softmax(-1)
    torch.testing.assert_close(nsp, -(logs[0, 0] + logs[1, 1]) / 2)


def test_states_and_maps():
    net = model()
    states, maps = net.hidden_states(IDS), net.attention_maps(IDS)
    assert len(states) == 3
    assert len(maps) == 2
    torch.testing.assert_close(states[-1], net(IDS).last_hidden_state)
    assert float(maps[0][1, :, :, 3:].abs().max()) == 0, "nobody looks at padding"
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 4, 5))


def test_fine_tuning_begins_with_the_encoder():
    pretrained = model(RobertaForPreTraining).roberta
    with torch.no_grad():
        pretrained.pooler.weight.fill_(7.0)
    net = RobertaForSequenceClassification.on(pretrained, seeded(1), num_labels=3)
    for name, tensor in net.roberta.state_dict().items():
        assert torch.equal(tensor, pretrained.state_dict()[name])
    choice = RobertaForMultipleChoice.on(model(), seeded(1))
    assert float(choice.roberta.pooler.weight.detach().std()) > 0, (
        "a pooler that was not there is new"
    )
    assert net(IDS).shape == (2, 3)
    assert choice(IDS[None]).shape == (1, 2)


def test_choices_are_scored_apart():
    net = model(RobertaForMultipleChoice)
    ids = torch.stack([IDS, IDS.flip(0)])
    logits = net(ids)
    torch.testing.assert_close(logits[0], logits[1].flip(0))
    with pytest.raises(ValueError, match="batch, choices, length"):
        net(IDS)


def test_spans_of_answers():
    start = torch.tensor([[0.0, 5.0, 0.0, 4.0], [0.0, 0.0, 9.0, 0.0]])
    end = torch.tensor([[6.0, 0.0, 0.0, 5.0], [0.0, 1.0, 0.0, 0.0]])
    logits = SpanLogits(start, end)
    assert best_span(logits).tolist() == [[1, 3], [2, 2]]
    assert best_span(logits, longest=2).tolist() == [[3, 3], [2, 2]]
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    assert best_span(logits, mask)[0].tolist() == [0, 0]
    with pytest.raises(ValueError, match="row 1 has none"):
        best_span(logits, torch.tensor([[1, 1, 1, 0], [0, 0, 0, 0]]))
    answerable = SpanLogits(start, end, torch.tensor([1.0, -1.0]))
    assert best_span(answerable).tolist() == [[1, 3], [-1, -1]]


def test_the_loss_of_spans_sums_both_terms():
    """§3.3: "jointly by summing the classification and span loss terms"."""
    net = model(RobertaForQuestionAnswering, answerable=True)
    logits = net(IDS)
    first, last = torch.tensor([1, -1]), torch.tensor([3, -1])
    logs = [x.log_softmax(-1) for x in logits[:2]]
    span = -(logs[0][0, 1] + logs[1][0, 3]) / 2
    answer = -logits.answerable[0].sigmoid().log() - (1 - logits.answerable[1].sigmoid()).log()
    torch.testing.assert_close(span_loss(logits, first, last), span + answer / 2)
    with pytest.raises(ValueError, match="answerable=True"):
        span_loss(SpanLogits(*logits[:2]), first, last)


@pytest.mark.parametrize("kind", HEADED)
def test_copies_pickles_and_half_precision(kind):
    net = model(kind)
    wanted = leaves(net(IDS))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        for a, b in zip(leaves(other(IDS)), wanted, strict=True):
            torch.testing.assert_close(a, b, atol=0, rtol=0)
    with torch.autocast("cpu", torch.bfloat16):
        for a, b in zip(leaves(net(IDS)), wanted, strict=True):
            torch.testing.assert_close(a.float(), b, atol=0.05, rtol=0.05)


def test_an_empty_batch():
    net = model(RobertaForMaskedLM)
    assert net(torch.zeros(0, 5, dtype=torch.long)).shape == (0, 5, 40)


def test_checkpointing_gives_the_same_gradients():
    found = []
    for on in (False, True):
        net = model(RobertaForMaskedLM, dataclasses.replace(TINY, gradient_checkpointing=on))
        net.train()
        labels = torch.tensor([[-100, 5, -100, 7, -100], [-100, 9, -100, -100, -100]])
        net.loss(IDS, labels).backward()
        found.append([p.grad for p in net.parameters() if p.grad is not None])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_it_compiles_whole():
    net = model(RobertaForMaskedLM)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(IDS), net(IDS), atol=1e-6, rtol=1e-5)


def test_it_exports_with_a_batch_and_a_length_of_any_size():
    net = model(RobertaForMaskedLM)
    batch, length = torch.export.Dim("batch", min=2), torch.export.Dim("length", min=2, max=12)
    program = torch.export.export(net, (IDS,), dynamic_shapes={"input_ids": {0: batch, 1: length}})
    ids = torch.tensor([[0, 5, 2], [0, 2, 1], [1, 0, 2]])
    torch.testing.assert_close(program.module()(ids), net(ids), atol=1e-6, rtol=1e-5)


def test_vmap_and_jvp():
    net = model(RobertaForMaskedLM)
    each = torch.func.vmap(lambda ids: net(ids[None])[0])(IDS)
    torch.testing.assert_close(each, net(IDS), atol=1e-6, rtol=1e-5)
    parameters = dict(net.named_parameters())
    tangents = {k: torch.randn(v.shape, generator=seeded(5)) for k, v in parameters.items()}

    def run(weights):
        return torch.func.functional_call(net, weights, (IDS,))

    _, forward = torch.func.jvp(run, (parameters,), (tangents,))
    step = 1e-3
    ahead = run({k: v + step * tangents[k] for k, v in parameters.items()})
    behind = run({k: v - step * tangents[k] for k, v in parameters.items()})
    difference = (ahead - behind) / (2 * step)
    assert (forward - difference).norm() < 0.02 * difference.norm()


@pytest.mark.parametrize(
    ("ids", "named", "error", "match"),
    [
        (IDS.float(), {}, TypeError, "integer ids, got torch.float32"),
        ([[0, 2]], {}, TypeError, "tensor of ids, got list"),
        (IDS[0], {}, ValueError, r"\(batch, length\), got \(5,\)"),
        (torch.tensor([[0, 40]]), {}, ValueError, "0 to 39, got 40"),
        (torch.tensor([[0, -1]]), {}, ValueError, "0 to 39, got -1"),
        (torch.full((1, 13), 5), {}, ValueError, "at most 12 tokens a row, got 13"),
        (torch.tensor([[0, 5], [1, 1]]), {}, ValueError, "row 1, has no token but padding"),
        (torch.zeros(1, 0, dtype=torch.long), {}, ValueError, "at least one position"),
        (IDS, {"attention_mask": torch.ones(2, 4)}, ValueError, r"attention_mask.*\(2, 5\)"),
        (IDS, {"attention_mask": [1]}, TypeError, "attention_mask must be a tensor"),
        (IDS, {"token_type_ids": torch.ones(2, 5).long()}, ValueError, "no segments"),
    ],
)
def test_bad_input(ids, named, error, match):
    with pytest.raises(error, match=match):
        model()(ids, **named)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"hidden_size": 15}, "divisible"),
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"intermediate_size": 0}, "intermediate_size"),
        ({"hidden_dropout_prob": 1.0}, r"\[0, 1\)"),
        ({"layer_norm_eps": 0.0}, "layer_norm_eps must be above 0"),
        ({"hidden_act": "swish"}, "gelu or relu, got 'swish'"),
        ({"pad_token_id": 40}, "0 to 39, got 40"),
        ({"max_position_embeddings": 2}, r"pad_token_id \+ 1 = 2, got 2"),
    ],
)
def test_bad_configurations(changes, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(TINY, **changes)


def test_bad_names_and_labels():
    with pytest.raises(ValueError, match="roberta-base, roberta-large"):
        RobertaModel.from_preset("roberta-huge")
    with pytest.raises(ValueError, match="num_labels must be at least 1, got 0"):
        RobertaForSequenceClassification(TINY, num_labels=0)
    with pytest.raises(ValueError, match="shape of input_ids"):
        model(RobertaForMaskedLM).loss(IDS, IDS[:, :4])
    with pytest.raises(ValueError, match="mean or sum, got 'max'"):
        model(RobertaForMaskedLM).loss(IDS, IDS, reduction="max")
