"""Table 3, span lengths, and what cannot be corrupted."""

import collections
import itertools
import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.t5 import (
    Example,
    Lengths,
    bert_style,
    deshuffle,
    drop_tokens,
    iid_noise,
    lengths_for,
    mass_style,
    pad,
    prefix_lm_split,
    replace_spans,
    sentinel_ids,
    span_corruption,
    span_noise,
)

# "Thank you for inviting me to your party last week .", as in the README
TEXT = list(range(3, 14))
X, Y, Z, END = 31, 30, 29, 1
SENTINELS = sentinel_ids(32, 10)
LOST = [token in (5, 6, 11) for token in TEXT]  # for, inviting, last


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_table_3_in_ids():
    assert prefix_lm_split(TEXT, at=5) == Example([3, 4, 5, 6, 7, END], [*range(8, 14), END])
    assert mass_style(TEXT, LOST, X) == Example(
        [3, 4, X, X, 7, 8, 9, 10, X, 12, 13, END], [*TEXT, END]
    )
    assert replace_spans(TEXT, LOST, SENTINELS) == Example(
        [3, 4, X, 7, 8, 9, 10, Y, 12, 13, END], [X, 5, 6, Y, 11, Z, END]
    )
    assert drop_tokens(TEXT, LOST) == Example([3, 4, 7, 8, 9, 10, 12, 13, END], [5, 6, 11, END])
    # The table's last row: "for inviting me" and "your party last".
    spans = [token in (5, 6, 7, 9, 10, 11) for token in TEXT]
    assert replace_spans(TEXT, spans, SENTINELS) == Example(
        [3, 4, X, 8, Y, 12, 13, END], [X, 5, 6, 7, Y, 9, 10, 11, Z, END]
    )
    shuffled = deshuffle(TEXT, generator())
    assert sorted(shuffled.inputs) == sorted([*TEXT, END])
    assert shuffled.targets == [*TEXT, END] != shuffled.inputs


def test_the_readmes_losses():
    targets = replace_spans(TEXT, LOST, SENTINELS).targets
    marks = [token for token in targets if token not in TEXT]
    assert (len(targets), len(marks)) == (7, 4)
    assert round(math.log(32), 2) == 3.47
    assert round((len(targets) - len(marks)) * math.log(len(TEXT)) / len(targets), 2) == 1.03
    assert len(mass_style(TEXT, LOST, X).targets) == 12


def test_bert_style_masks_nine_in_ten_and_replaces_one():
    ids, noise = list(range(100, 5100)), [i % 2 == 0 for i in range(5000)]
    made = bert_style(ids, noise, 31, range(40, 60), generator())
    lost = [made.inputs[i] for i in range(0, 5000, 2)]
    assert made.targets == [*ids, 1]
    assert made.inputs[1:5000:2] == ids[1::2], "what is not corrupted stays"
    swapped = [token for token in lost if token != 31]
    assert 0.08 < len(swapped) / len(lost) < 0.12
    assert set(swapped) == set(range(40, 60))


@given(
    st.integers(2, 300), st.floats(0.01, 0.99), st.floats(1, 12), st.integers(0, 100),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_what_is_read_and_written_makes_the_text(length, rate, mean, seed):
    """Put each span back into its gap, and the text is there again."""
    ids, sentinels = list(range(1000, 1000 + length)), range(999, 500, -1)
    for noise in (
        span_noise(length, rate, mean, generator(seed)), iid_noise(length, rate, generator(seed)),
    ):  # fmt: skip
        assert any(noise)
        assert not all(noise)
        made = replace_spans(ids, noise, sentinels)
        gaps = {}
        for token in made.targets[:-1]:
            if token < 1000:
                last = token
                gaps[last] = []
            else:
                gaps[last].append(token)
        back = [
            t for token in made.inputs[:-1] for t in ([token] if token >= 1000 else gaps[token])
        ]
        assert back == ids
        assert gaps[last] == [], "the last sentinel closes"
        assert list(gaps) == list(itertools.islice(sentinels, len(gaps))), "in order, each once"


def test_span_noise_has_the_numbers_that_it_was_asked_for():
    """§3.3.4's example: 500 tokens, 15%, 25 spans: 75 corrupted, mean length 3."""
    for seed in range(20):
        noise = span_noise(500, 0.15, 3, generator(seed))
        spans = [len(list(run)) for lost, run in itertools.groupby(noise) if lost]
        assert (sum(noise), len(spans), statistics.mean(spans)) == (75, 25, 3)
        assert not noise[0]
        assert noise[-1]


def test_every_way_of_cutting_is_as_likely():
    """6 corrupted tokens in 2 spans: lengths 1 to 5, each a fifth of the time."""
    g, seen = generator(), collections.Counter()
    for _ in range(2000):
        noise = span_noise(12, 0.5, 3, g)
        seen[next(len(list(run)) for lost, run in itertools.groupby(noise) if lost)] += 1
    assert sorted(seen) == [1, 2, 3, 4, 5]
    assert all(abs(n / 2000 - 0.2) < 0.04 for n in seen.values())


def test_iid_noise_has_short_spans():
    """The README's 1/(1 − p) = 1.18 at 15%."""
    noise = iid_noise(200_000, 0.15, generator())
    spans = [len(list(run)) for lost, run in itertools.groupby(noise) if lost]
    assert statistics.mean(noise) == pytest.approx(0.15, abs=0.005)
    assert statistics.mean(spans) == pytest.approx(1 / 0.85, abs=0.01)
    assert round(1 / 0.85, 2) == 1.18


def test_lengths_are_those_of_every_draw():
    found = lengths_for(512)
    assert found == Lengths(raw=568, noise=85, spans=28, inputs=512, targets=115)
    assert lengths_for(512, final_sentinel=False).targets == 114, "the released code's"
    for seed in range(3):
        made = span_corruption(range(568), range(9999, 9000, -1), generator=generator(seed))
        assert (len(made.inputs), len(made.targets)) == (512, 115)
    for inputs in (5, 64, 100):
        found = lengths_for(inputs)
        assert found.inputs <= inputs < lengths_for(inputs + 2).inputs + 2


def test_sentinels_count_down_from_the_last_id():
    assert list(sentinel_ids())[:2] == [32099, 32098]
    assert len(sentinel_ids()) == 100


def test_rows_are_filled_up():
    assert pad([[1, 2], [3]]).tolist() == [[1, 2], [3, 0]]
    assert pad([[1], []], -100).tolist() == [[1], [-100]]
    assert pad([]).shape == (0, 0)


@pytest.mark.parametrize(("call", "text"), [
    (lambda: span_noise(1), "at least 2 tokens, got 1"),
    (lambda: iid_noise(0), "at least 2 tokens, got 0"),
    (lambda: span_noise(9, 0.0), r"rate must be in \(0, 1\), got 0.0"),
    (lambda: iid_noise(9, 1.0), r"rate must be in \(0, 1\), got 1.0"),
    (lambda: span_noise(9, 0.5, 0.5), "mean_span must be at least 1, got 0.5"),
    (lambda: replace_spans(TEXT, LOST, SENTINELS[:2]), "2 spans, which need 3 sentinels"),
    (lambda: replace_spans(TEXT, LOST[1:], SENTINELS), "as long as ids"),
    (lambda: drop_tokens(TEXT, []), "as long as ids"),
    (lambda: bert_style(TEXT, LOST, 31, range(0)), "random_ids must not be empty"),
    (lambda: prefix_lm_split([3]), "at least 2 tokens"),
    (lambda: prefix_lm_split(TEXT, at=11), "at must be in 1 … 10, got 11"),
    (lambda: sentinel_ids(5, 6), "count must be in 1"),
    (lambda: lengths_for(2), "fits into 2 inputs"),
])  # fmt: skip
def test_bad_input_is_named(call, text):
    with pytest.raises(ValueError, match=text):
        call()
