"""Dynamic masks are drawn anew, static ones are not; 15%, of which 80-10-10 (§2.3, §4.1)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.roberta import dynamic_mask, static_masks

V, MASK = 200, 199
SPECIAL = [0, 1, 2, 3, MASK]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(n, length):
    ids = torch.randint(4, MASK, (n, length), generator=seeded(9))
    ids[:, 0], ids[:, -1] = 0, 2
    return ids


@given(n=st.integers(1, 4), length=st.integers(3, 60), seed=st.integers(0, 99))
@settings(deadline=None)
def test_specials_are_left_alone_and_labels_say_what_was_hidden(n, length, seed):
    ids = rows(n, length)
    hidden, labels = dynamic_mask(ids, SPECIAL, MASK, V, generator=seeded(seed))
    chosen = labels != -100
    assert torch.equal(labels[chosen], ids[chosen])
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert not chosen[:, [0, -1]].any()
    wanted = max(1, round((length - 2) * 0.15))
    assert (chosen.sum(-1) - wanted).abs().max() <= 1, "15% of each sequence, rounded"
    assert not torch.isin(hidden[:, 1:-1], torch.tensor(SPECIAL[:4])).any()


def test_padding_is_left_alone_though_nobody_lists_it():
    ids = rows(50, 42)
    ids[:, 20:] = 1
    hidden, labels = dynamic_mask(ids, [0, 2], MASK, V, generator=seeded())
    assert torch.equal(hidden[:, 20:], ids[:, 20:])
    assert bool((labels[:, 20:] == -100).all())
    assert not bool((hidden[:, :20] == 1).any()), "nor is it drawn"
    ids[:, 20:] = 7
    _, labels = static_masks(ids, [0, 2], MASK, V, copies=2, generator=seeded(), pad_token_id=7)
    assert bool((labels[..., 20:] == -100).all())


def test_15_percent_of_which_80_10_10():
    ids = rows(2000, 102)
    hidden, labels = dynamic_mask(ids, SPECIAL, MASK, V, generator=seeded())
    chosen = labels != -100
    assert int(chosen.sum()) == 2000 * 15
    n = int(chosen.sum())
    share = {
        "mask": float((hidden[chosen] == MASK).float().mean()),
        "same": float((hidden[chosen] == ids[chosen]).float().mean()),
    }
    # A random token is by chance the same one: 1 of 195.
    for name, wanted in (("mask", 0.8), ("same", 0.1 + 0.1 / 195)):
        assert abs(share[name] - wanted) < 5 * math.sqrt(wanted * (1 - wanted) / n)
    drawn = hidden[chosen & (hidden != MASK) & (hidden != ids)]
    assert len(drawn.unique()) == 195, "any token that is not special"


def test_dynamic_masks_are_drawn_anew_each_time():
    ids, generator = rows(50, 42), seeded()
    one, two = (dynamic_mask(ids, SPECIAL, MASK, V, generator=generator)[1] for _ in range(2))
    same = ((one != -100) & (two != -100)).sum() / (one != -100).sum()
    assert abs(float(same) - 0.15) < 0.05, "two masks share what chance makes them share"


def test_ten_static_masks_are_seen_four_times_in_forty_epochs():
    """§4.1: "each training sequence was seen with the same mask four times"."""
    ids = rows(5, 42)
    hidden, labels = static_masks(ids, SPECIAL, MASK, V, generator=seeded())
    assert hidden.shape == labels.shape == (10, 5, 42)
    seen = [tuple(map(tuple, (labels[epoch % 10] != -100).tolist())) for epoch in range(40)]
    assert len(set(seen)) == 10
    assert all(seen.count(mask) == 4 for mask in seen)
    again = static_masks(ids, SPECIAL, MASK, V, generator=seeded())
    assert torch.equal(again[0], hidden)
    first = dynamic_mask(ids, SPECIAL, MASK, V, generator=seeded())
    assert torch.equal(first[1], labels[0])


@pytest.mark.parametrize(
    ("named", "match"),
    [
        ({"probability": 0.0}, "between 0 and 1, got 0.0"),
        ({"probability": 1.0}, "between 0 and 1, got 1.0"),
        ({"mask_token_id": V}, "0 to 199, got 200"),
        ({"pad_token_id": -1}, "0 to 199, got -1"),
        ({"input_ids": torch.zeros(3, dtype=torch.long)}, r"\(batch, length\), got \(3,\)"),
        ({"special_ids": range(V)}, "all 200"),
        ({"copies": 0}, "copies must be at least 1, got 0"),
    ],
)
def test_bad_input(named, match):
    given = {"input_ids": rows(2, 5), "special_ids": SPECIAL, "mask_token_id": MASK,
             "vocab_size": V} | named  # fmt: skip
    with pytest.raises(ValueError, match=match):
        static_masks(**given)
