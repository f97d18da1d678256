"""The rivals of §5.1: one side, one side with a BiLSTM, two sides next to each other."""

import dataclasses

import pytest
import torch

from lessons.bert import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    OneSidedModel,
)

CONFIG = BertConfig(40, 16, 2, 2, max_position_embeddings=12)
IDS = torch.tensor([[2, 7, 8, 9, 10, 3, 0], [2, 11, 12, 3, 0, 0, 0]])
MASK = (IDS != 0).long()


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def encoder(direction, seed=0, **changes):
    config = dataclasses.replace(CONFIG, direction=direction, **changes)
    return BertModel(config, generator=rng(seed)).eval()


LTR, RTL, BOTH = (encoder(d, i) for i, d in enumerate(("left_to_right", "right_to_left", "both")))


def changed(model, place, row=0):
    """Return at which tokens the answer moves when one token is another."""
    other = IDS.clone()
    other[row, place] = 20
    difference = (model(other, MASK) - model(IDS, MASK)).abs()[row]
    return (difference.flatten(difference.dim() - 1).amax(-1) > 1e-6).tolist()


def test_the_left_only_constraint_also_holds_after_pre_training():
    model = OneSidedModel([LTR], "tokens", 3, generator=rng()).eval()
    assert changed(model, 3)[:6] == [False] * 3 + [True] * 3


def test_a_bilstm_on_top_gives_every_token_both_sides():
    model = OneSidedModel([LTR], "tokens", 3, bilstm=8, generator=rng()).eval()
    assert all(changed(model, 3)[:6])
    two = OneSidedModel([LTR, RTL], "tokens", 3, generator=rng()).eval()
    assert all(changed(two, 3)[:6])


def test_two_sides_stand_next_to_each_other():
    model = OneSidedModel([LTR, RTL], "tokens", 3, generator=rng()).eval()
    states = torch.cat([side(IDS, MASK).last_hidden_state for side in (LTR, RTL)], -1)
    torch.testing.assert_close(model(IDS, MASK), model.classifier(states))
    assert model.classifier.in_features == 32


@pytest.mark.parametrize(("sides", "places"), [([LTR], [5]), ([RTL], [0]), ([LTR, RTL], [5, 0])])
def test_a_sequence_is_read_where_its_encoder_has_seen_all_of_it(sides, places):
    model = OneSidedModel(sides, "sequence", 3, generator=rng()).eval()
    states = [side(IDS, MASK).last_hidden_state[0, at] for side, at in zip(sides, places)]
    want = model.classifier(torch.tanh(model.pooler(torch.cat(states))))
    torch.testing.assert_close(model(IDS, MASK)[0], want)
    shorter = model(IDS[1:, :4], MASK[1:, :4])[0]
    torch.testing.assert_close(model(IDS, MASK)[1], shorter)  # not at padding
    # Every token counts.
    for place in range(6):
        other = IDS.clone()
        other[0, place] = 20
        assert (model(other, MASK) - model(IDS, MASK))[0].abs().max() > 1e-6


def test_a_bilstm_is_read_at_both_of_its_ends():
    model = OneSidedModel([LTR], "sequence", 3, bilstm=8, generator=rng()).eval()
    states = model.lstm(LTR(IDS[1:, :4]).last_hidden_state)[0][0]
    ends = torch.cat([states[-1, :8], states[0, 8:]])
    want = model.classifier(torch.tanh(model.pooler(ends)))
    torch.testing.assert_close(model(IDS, MASK)[1], want)


@pytest.mark.parametrize("task", ["tokens", "sequence"])
def test_on_an_encoder_of_both_sides_it_is_berts_own_head(task):
    kind = {"tokens": BertForTokenClassification, "sequence": BertForSequenceClassification}[task]
    theirs = kind(CONFIG, 3, generator=rng(5)).eval()
    ours = OneSidedModel([theirs.bert], task, 3, generator=rng()).eval()
    ours.classifier.load_state_dict(theirs.classifier.state_dict())
    if task == "sequence":
        ours.pooler.load_state_dict(theirs.bert.pooler.state_dict())
    torch.testing.assert_close(ours(IDS, MASK), theirs(IDS, MASK))


def test_frozen_encoders_stay_as_they_are_and_have_no_dropout():
    noisy = [encoder(d, hidden_dropout_prob=0.5) for d in ("left_to_right", "right_to_left")]
    model = OneSidedModel(noisy, "tokens", 3, bilstm=8, frozen=True, generator=rng()).train()
    assert not model.encoders.training
    assert model.lstm.training
    model(IDS, MASK).sum().backward()
    assert all(p.grad is None for p in model.encoders.parameters())
    assert model.lstm.weight_ih_l0.grad.abs().max() > 0
    free = OneSidedModel(noisy, "tokens", 3, generator=rng()).train()
    assert free.encoders.training
    free(IDS, MASK).sum().backward()
    assert all(p.grad is not None for p in free.encoders.parameters())


def test_the_encoders_are_copied():
    model = OneSidedModel([LTR], "tokens", 3, generator=rng())
    before = LTR.embeddings.token.weight.clone()
    with torch.no_grad():
        model.encoders[0].embeddings.token.weight.add_(1)
    assert torch.equal(LTR.embeddings.token.weight, before)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (([],), "encoders must be at least one, got none"),
        (([LTR, encoder("both", hidden_size=8)],), r"one hidden_size, got \[16, 8\]"),
        (([LTR], "words"), "task must be tokens or sequence, got 'words'"),
        (([LTR], "tokens", 0), "num_labels must be at least 1, got 0"),
        (([LTR], "tokens", 2, 0), "bilstm must be None or at least 1, got 0"),
    ],
)
def test_what_cannot_be(given, says):
    with pytest.raises(ValueError, match=says):
        OneSidedModel(*given)


def test_a_bilstm_wants_padding_on_the_right():
    model = OneSidedModel([LTR], "tokens", 2, bilstm=4)
    with pytest.raises(ValueError, match="padding on the right only"):
        model(IDS, MASK.flip(-1))
