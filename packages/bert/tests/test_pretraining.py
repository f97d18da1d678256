"""What pre-training is made of: masks, pairs of sentences, optimizer, schedule."""

import itertools
import math

import pytest
import torch

from lessons.bert import (
    TABLE8,
    BertAdam,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    PreTraining,
    Strategy,
    WordPieceTokenizer,
    embed,
    fill_mask,
    linear_schedule,
    make_pairs,
    mask_tokens,
    next_token_labels,
    parameter_groups,
)
from lessons.bert.training import GLUE, GRID, SQUAD1, SQUAD2, SWAG, lengths_of
from lessons.bert.wordpiece import SPECIAL


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def texts(b=400, t=50):
    ids = torch.randint(5, 1000, (b, t), generator=rng())
    lengths = torch.randint(3, t + 1, (b, 1), generator=rng(1))
    place = torch.arange(t)
    special = (place == 0) | (place >= lengths - 1)  # [CLS], [SEP] and padding
    return ids.masked_fill(special, 2), special


@pytest.mark.parametrize("name", TABLE8)
def test_fifteen_percent_of_each_sequence_are_hidden_as_table_8_says(name):
    ids, special = texts()
    given = ids.clone()
    hidden, labels = mask_tokens(ids, special, 4, 1000, strategy=TABLE8[name], generator=rng(2))
    assert torch.equal(ids, given), "what is given stays"
    chosen = labels != -100
    assert not (chosen & special).any()
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(hidden[~chosen], ids[~chosen])
    for free, n in zip((~special).sum(-1).tolist(), chosen.sum(-1).tolist()):
        assert n == max(1, round(0.15 * free))
    total = int(chosen.sum())
    masked = (hidden == 4)[chosen].float().mean()
    same = (hidden == ids)[chosen].float().mean()
    for got, want in ((masked, TABLE8[name].mask), (same, TABLE8[name].same)):
        # Four deviations; a random token is the true one, or [MASK], one time in a thousand.
        assert abs(got - want) <= 4 * math.sqrt(want * (1 - want) / total) + 0.005 * (1 - want)
    other = hidden[chosen & (hidden != 4) & (hidden != ids)]
    assert len(other) == 0 if not TABLE8[name].random else other.min() < 100 < 900 < other.max()


def test_every_token_is_chosen_alike():
    ids = torch.full((4000, 20), 7)
    _, labels = mask_tokens(ids, torch.zeros_like(ids), 4, 1000, generator=rng())
    rates = (labels != -100).float().mean(0)
    assert ((rates - 0.15).abs() < 4 * math.sqrt(0.15 * 0.85 / 4000)).all()


def test_predictions_have_a_limit_and_a_generator():
    ids, special = texts(20)
    first = mask_tokens(ids, special, 4, 1000, max_predictions=2, generator=rng())
    assert (first[1] != -100).sum(-1).max() == 2
    again = mask_tokens(ids, special, 4, 1000, max_predictions=2, generator=rng())
    assert all(torch.equal(a, b) for a, b in zip(first, again))
    _, nothing = mask_tokens(ids, torch.ones_like(ids), 4, 1000, generator=rng())
    assert (nothing == -100).all()
    hidden, labels = mask_tokens(ids, special, 4, 1000, probability=0.0, generator=rng())
    assert torch.equal(hidden, ids)
    assert (labels == -100).all()
    everything = mask_tokens(ids, special, 4, 1000, 1.0, TABLE8["100-0-0"], generator=rng())[0]
    assert torch.equal(everything == 4, ~special)
    assert mask_tokens(ids[:0], special[:0], 4, 1000)[0].shape == (0, 50)


def test_whole_words_are_hidden_together_and_never_more_than_fifteen_percent():
    tokenizer = WordPieceTokenizer([*SPECIAL, "##a", "##b", "c", "d", "e"])
    ids = torch.tensor([[2, *[7, 5, 6, 8, 9, 5] * 6, 3, 0], [2, *[7, 8, 9] * 12, 3, 0]])
    continues = tokenizer.inner()[ids]
    assert continues[0, 1:7].tolist() == [False, True, True, False, False, True]
    share = torch.zeros(ids.shape)
    for seed in range(300):
        _, labels = mask_tokens(
            ids, ids < 5, 4, 10, continues=continues, generator=torch.Generator().manual_seed(seed)
        )
        chosen = labels != -100
        share += chosen
        assert (chosen.sum(-1) <= 5).all()  # 15% of 36, rounded
        assert chosen[1].sum() == 5  # where words are single pieces, all of it
        together = chosen[:, 1:] == chosen[:, :-1]
        assert together[continues[:, 1:]].all()
    assert chosen.any(-1).all()
    # Every word is chosen alike, but for its length; none of them never.
    assert share[1, 1:37].min() > 20
    assert share[0, 1:37].min() > 10


def test_words_that_are_too_long_are_passed_over():
    ids = torch.tensor([[2, 7, 5, 6, 7, 5, 6, 3]])
    continues = torch.tensor([[0, 0, 1, 1, 0, 1, 1, 0]])
    _, labels = mask_tokens(ids, ids < 5, 4, 10, continues=continues)
    assert (labels == -100).all()  # one of six is wanted, and words have three


@pytest.mark.parametrize(("changes", "says"), [
    ({"probability": 1.5}, r"probability must be in \[0, 1\], got 1.5"),
    ({"strategy": Strategy(0.8, 0.1, 0.2)}, "strategy must be probabilities that sum to 1"),
    ({"strategy": Strategy(1.5, -0.5, 0.0)}, "strategy must be probabilities that sum to 1"),
    ({"mask_token_id": 1000}, "mask_token_id must be 0 to 999, got 1000"),
    ({"max_predictions": 0}, "max_predictions must be at least 1, got 0"),
    ({"special_mask": torch.zeros(2, 4)}, r"one shape .* got \(2, 5\) and \(2, 4\)"),
    ({"continues": torch.zeros(2, 4)}, r"continues must have the shape .* got \(2, 4\)"),
])  # fmt: skip
def test_masks_that_cannot_be(changes, says):
    ids = torch.ones(2, 5, dtype=torch.long)
    given = {"special_mask": torch.zeros(2, 5), "mask_token_id": 4, "vocab_size": 1000}
    with pytest.raises(ValueError, match=says):
        mask_tokens(ids, **given | changes)


def test_a_one_sided_model_predicts_the_token_beside():
    ids = torch.tensor([[2, 7, 8, 9, 3, 0], [2, 5, 3, 0, 0, 0]])
    special = torch.tensor([[1, 0, 0, 0, 0, 1], [1, 0, 0, 1, 1, 1]])
    assert next_token_labels(ids, special).tolist() == [
        [7, 8, 9, 3, -100, -100], [5, 3, -100, -100, -100, -100]
    ]  # fmt: skip
    assert next_token_labels(ids, special, "right_to_left").tolist() == [
        [-100, -100, 7, 8, 9, 3], [-100, -100, 5, 3, -100, -100]
    ]  # fmt: skip
    with pytest.raises(ValueError, match="direction must be"):
        next_token_labels(ids, special, "both")
    with pytest.raises(ValueError, match="special_mask must have the shape"):
        next_token_labels(ids, special[:1])


# Pairs

# Every id says where it stands: document, sentence, place.
DOCUMENTS = [
    [[d * 1000 + s * 10 + i for i in range(1 + (s + d) % 6)] for s in range(30)] for d in range(20)
]


def follows(a, b):
    """Return whether one id is the next one of a document."""
    line = [i for sentence in DOCUMENTS[a // 1000] for i in sentence]
    return b in line and line.index(b) == line.index(a) + 1


def test_half_of_the_pairs_follow_and_half_come_from_another_document():
    pairs = list(make_pairs(DOCUMENTS, 32, short_probability=0.0, generator=rng()))
    assert len(pairs) > 90
    following = [pair for pair in pairs if pair.label == 0]
    share = len(following) / len(pairs)
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / len(pairs))
    for first, second, label in pairs:
        assert first
        assert second
        assert len(first) + len(second) <= 29
        for span in (first, second):
            assert all(follows(a, b) for a, b in itertools.pairwise(span)), "spans are whole"
        assert (first[0] // 1000 == second[0] // 1000) == (label == 0)
    whole = [p for p in following if len(p.first) + len(p.second) < 29]
    assert whole
    assert all(follows(pair.first[-1], pair.second[0]) for pair in whole)


def test_pairs_that_are_not_cut_use_every_sentence():
    documents = [[[d * 100 + s] for s in range(10)] for d in range(3)]
    pairs = list(make_pairs(documents, 8, 0.0, rng()))
    used = {i for p in pairs for i in (p.first + p.second if p.label == 0 else p.first)}
    assert used == {i for text in documents for sentence in text for i in sentence}


def test_some_inputs_are_short():
    lengths = [
        [len(p.first) + len(p.second) for p in make_pairs(DOCUMENTS, 60, share, rng())]
        for share in (0.0, 1.0)
    ]
    assert sum(lengths[1]) / len(lengths[1]) < sum(lengths[0]) / len(lengths[0]) - 10


def test_a_pair_is_packed_with_its_segments():
    pair = next(make_pairs([[[1], [2]], [[3, 4]]], 16, 0.0, rng()))
    ids, segments = pair.pack(101, 102)
    assert ids == [101, *pair.first, 102, *pair.second, 102]
    assert segments == [0] * (len(pair.first) + 2) + [1] * (len(pair.second) + 1)


@pytest.mark.parametrize(("given", "says"), [
    (([[[1], [2]]],), "pairs need at least two documents, got 1"),
    (([[[1]], [[]], []],), "pairs need at least two documents, got 1"),
    ((DOCUMENTS, 4), "max_length must be at least 5, got 4"),
    ((DOCUMENTS, 32, 2.0), r"short_probability must be in \[0, 1\]"),
])  # fmt: skip
def test_pairs_that_cannot_be(given, says):
    with pytest.raises(ValueError, match=says):
        list(make_pairs(*given))


# Optimizer and schedule


def test_without_correction_adam_is_torchs_with_other_rates():
    """AdamW's step is ours with its corrections undone: α' = α √(1-β₂ᵗ)/(1-β₁ᵗ), ε' likewise."""
    start = torch.randn(5, 3, generator=rng(), dtype=torch.float64)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    mine = BertAdam([ours], lr=0.01, weight_decay=0.1)
    torchs = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1, eps=1e-6)
    for t in range(1, 8):
        gradient = torch.randn(5, 3, generator=rng(t), dtype=torch.float64)
        ours.grad, theirs.grad = gradient, gradient.clone()
        root, first = math.sqrt(1 - 0.999**t), 1 - 0.9**t
        # A decay of α'λ' must be αλ.
        torchs.param_groups[0].update(
            lr=0.01 * first / root, eps=1e-6 / root, weight_decay=0.1 * root / first
        )
        mine.step()
        torchs.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_the_first_step_is_over_three_times_the_rate():
    weight = torch.zeros(4, requires_grad=True)
    weight.grad = torch.tensor([1.0, -2.0, 1e-2, 0.0])
    BertAdam([weight], lr=0.1, eps=0.0 + 1e-12).step()
    size = 0.1 * 0.1 / math.sqrt(0.001)
    torch.testing.assert_close(weight.detach(), size * torch.tensor([-1.0, 1.0, -1.0, 0.0]))


def test_the_optimizer_goes_on_from_its_state_and_takes_any_strides():
    start = torch.randn(3, 4, generator=rng())
    plain, turned = start.clone().requires_grad_(), start.t().contiguous().t().requires_grad_()
    first, second = BertAdam([plain], lr=0.1), BertAdam([turned], lr=0.1)
    for t in range(4):
        gradient = torch.randn(3, 4, generator=rng(t))
        plain.grad, turned.grad = gradient, gradient.clone()
        first.step()
        second.step()
        torch.testing.assert_close(plain, turned)
        again = BertAdam([turned], lr=0.1)
        again.load_state_dict(second.state_dict())
        second = again


@pytest.mark.parametrize(
    "changes", [{"lr": -1}, {"eps": -1}, {"betas": (1, 0)}, {"weight_decay": -1}]
)
def test_optimizers_that_cannot_be(changes):
    with pytest.raises(ValueError, match=f"{next(iter(changes))} must be"):
        BertAdam([torch.zeros(2)], **changes)


def test_biases_and_normalisations_do_not_decay():
    net = BertForPreTraining(BertConfig(60, 16, 2, 4))
    decayed, kept = parameter_groups(net)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.01, 0.0)
    assert {names[id(p)].rsplit(".", 1)[1] for p in decayed["params"]} == {"weight"}
    assert all(p.dim() == 2 for p in decayed["params"])
    assert all(p.dim() == 1 for p in kept["params"])
    assert len(decayed["params"]) + len(kept["params"]) == len(list(net.parameters()))


def test_biases_of_an_lstm_do_not_decay():
    lstm = torch.nn.LSTM(2, 3, bidirectional=True)
    decayed, kept = parameter_groups(lstm)
    assert [len(group["params"]) for group in (decayed, kept)] == [4, 4]
    assert all(p.dim() == 1 for p in kept["params"])


def rates(steps, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule, found = linear_schedule(optimizer, steps, **options), []
    for _ in range(steps + 2):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_rises_and_falls_in_lines():
    assert rates(10, warmup=4) == pytest.approx(
        [0, 0.5, 1, 1.5, 2, 10 / 6, 8 / 6, 1, 4 / 6, 2 / 6, 0, 0]
    )
    released = [0, 0.5, 1, 1.5, 1.2, 1, 0.8, 0.6, 0.4, 0.2, 0, 0]
    assert rates(10, warmup=4, decay_from_start=True) == pytest.approx(released)
    assert rates(4, warmup=0) == pytest.approx([2, 1.5, 1, 0.5, 0, 0])
    for warmup in (-1, 10):
        with pytest.raises(ValueError, match=f"warmup must be 0 to 9, below steps, got {warmup}"):
            rates(10, warmup=warmup)


def test_the_papers_settings():
    recipe = PreTraining()
    lengths = list(lengths_of(1000, recipe.lengths))
    assert lengths == [128] * 900 + [512] * 100
    assert recipe.batch_size * 512 == 131_072  # A.2 says 128,000
    assert list(lengths_of(7, ((0.5, 1), (0.5, 2)))) == [1] * 4 + [2] * 3
    with pytest.raises(ValueError, match="the shares must sum to 1"):
        list(lengths_of(10, ((0.9, 128),)))
    assert len(GRID) == 2 * 3 * 3
    assert [setting.lr for setting in GLUE] == [5e-5, 4e-5, 3e-5, 2e-5]
    assert (SQUAD1.epochs, SQUAD2.batch_size, SWAG.lr) == (3, 48, 2e-5)


def test_a_small_model_learns_to_fill_in():
    """A language in which a word comes six times, so that those around a hidden one say it."""
    tokenizer = WordPieceTokenizer([*SPECIAL, *"abcdefgh"])
    words = torch.arange(5, 13).repeat(8)[:, None]
    ids = torch.cat([torch.full_like(words, 2), words.repeat(1, 6), torch.full_like(words, 3)], 1)
    special = (ids == 2) | (ids == 3)
    config = BertConfig(13, 32, 1, 4, max_position_embeddings=8, hidden_dropout_prob=0.0)
    net = BertForMaskedLM(config, rng())
    optimizer = BertAdam(parameter_groups(net), lr=5e-3)
    generator = rng(1)
    for _ in range(80):
        hidden, labels = mask_tokens(ids, special, 4, 13, generator=generator)
        optimizer.zero_grad()
        net.loss(hidden, labels).backward()
        optimizer.step()
    with pytest.raises(ValueError, match="model must be in eval mode"):
        fill_mask(net, tokenizer, "e [MASK]")
    with pytest.raises(ValueError, match="model must be in eval mode"):
        embed(net.bert, tokenizer, ["e"])
    (best,) = fill_mask(net.eval(), tokenizer, "e e [MASK] e e e", k=2)
    assert best[0][0] == "e"
    assert best[0][1] > 0.5 > best[1][1]
    with pytest.raises(ValueError, match=r"the text has no \[MASK\]"):
        fill_mask(net, tokenizer, "c d")
    with pytest.raises(ValueError, match="k must be 1 to 13, got 14"):
        fill_mask(net, tokenizer, "[MASK]", k=14)
    assert embed(net.bert, tokenizer, []).shape == (0, 32)
    batch = tokenizer.batch([tokenizer.encode("a b"), tokenizer.encode("c")])["input_ids"]
    assert tokenizer.special_mask(batch).tolist() == [
        [True, False, False, True],
        [True, False, True, True],
    ]


@pytest.mark.parametrize("kind", [torch.float32, torch.long])
def test_a_mask_that_is_added_to_scores_is_refused(kind):
    net = BertModel(BertConfig(13, 16, 1, 2, max_position_embeddings=8))
    mask = torch.tensor([[0, 0, -10_000]], dtype=kind)
    with pytest.raises(ValueError, match="attention_mask must be 0 at padding and positive"):
        net(torch.tensor([[2, 5, 0]]), mask)
