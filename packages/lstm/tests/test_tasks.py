"""The tasks are those that the paper describes."""

import pytest
import torch

from lessons.lstm import reber
from lessons.lstm.tasks import (
    adding,
    delayed_xor,
    long_lag,
    multiplication,
    one_by_one,
    predict_last,
    side_by_side,
    temporal_order,
    two_sequence,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("product", [False, True])
def test_marked_numbers(product):
    x, target, lengths = (multiplication if product else adding)(100, 500, seeded())
    assert (lengths >= 100).all()
    assert (lengths <= 110).all()
    assert lengths.unique().numel() == 11
    rows = torch.arange(500)
    assert ((x[..., 1] == 1).sum(0) == 2).all()
    assert (x[lengths - 1, rows, 1] == -1).all()
    assert (x[..., 1] == 1)[:10].any(0).all(), "one of the first ten is marked"
    assert not (x[..., 1] == 1)[50:].any(), "the minimal lag is T/2 (Table 7)"
    assert (x[..., 1] == 1)[49].any(), "and it is met"
    for b in range(500):
        assert not x[lengths[b] :, b].any()
        values = x[x[:, b, 1] == 1, b, 0]
        want = values.prod() if product else 0.5 + values.sum() / 4
        assert target[b, 0] == pytest.approx(want.item(), abs=1e-6)
        if x[0, b, 1] == 1:
            assert x[0, b, 0] == float(product)
    assert (x[0, :, 1] == 1).any()
    low = 0 if product else -1
    assert low <= x[..., 0].min() < low + 0.01


def test_long_lags():
    x, target, lengths = long_lag(20, 50, 4000, seeded())
    assert lengths.min() == 53
    assert lengths.float().mean() == pytest.approx(62, abs=0.6)  # q + 13 with the one to predict
    rows = torch.arange(4000)
    assert (x[0] == 21).all()
    assert (x[lengths - 1, rows] == 20).all()
    assert torch.equal(x[1] - 22, target.argmax(1))
    inside = torch.arange(len(x))[:, None]
    assert (x[(inside > 1) & (inside < lengths - 1)] < 20).all()


def test_sequences_to_be_predicted():
    x, after, lengths = predict_last(100, False, 50, seeded())
    assert x.shape == after.shape == (100, 50)
    assert (lengths == 100).all()
    assert torch.equal(after[:-1], x[1:])
    assert torch.equal(after[-1], x[0])
    assert set(x[0].tolist()) == {99, 100}
    assert torch.equal(x[1:, 0], torch.arange(99))
    noisy = predict_last(100, True, 50, seeded())[0]
    assert noisy[1:].unique().numel() == 99


@pytest.mark.parametrize("marks", [2, 3])
def test_temporal_order(marks):
    x, target, lengths = temporal_order(marks, 2000, seeded())
    assert ((x >= 6).sum(0) == marks).all()
    assert (x[0] == 4).all()
    assert lengths.min() == 100
    assert lengths.max() == 110
    for b in range(200):
        bits = [int(v) - 6 for v in x[:, b] if v >= 6]
        assert target[b].argmax() == int("".join(map(str, bits)), 2)
        assert (x[: lengths[b], b] == 5).nonzero().tolist() == [[lengths[b] - 1]]
    where = (x >= 6).nonzero()[:, 0] + 1
    assert where.min() == 10
    assert where.max() == (60 if marks == 2 else 76)
    assert (target.mean(0) - 0.5**marks).abs().max() < 0.04


def test_two_sequences():
    x, target, _ = two_sequence(100, 3, 1000, seeded())
    assert torch.equal(x[:3, :, 0], (2 * target[:, 0] - 1).expand(3, -1))
    assert x[3:100].var().item() == pytest.approx(0.2, abs=0.01)
    noisy, clean, _ = two_sequence(100, 1, 4000, seeded(), "3b")
    assert (noisy[0, :, 0] - (2 * clean[:, 0] - 1)).var().item() == pytest.approx(0.2, abs=0.02)
    x, target, _ = two_sequence(100, 1, 4000, seeded(), "3c")
    for sign, mean in ((1, 0.2), (-1, 0.8)):
        chosen = target[x[0, :, 0] == sign]
        assert chosen.mean().item() == pytest.approx(mean, abs=0.03)
        assert chosen.var().item() == pytest.approx(0.1, abs=0.02)
    _, target, _ = two_sequence(100, 1, 40, seeded(), "3c", clean=True)
    assert sorted(set(target.flatten().tolist())) == pytest.approx([0.2, 0.8])


def test_delayed_xor_tells_nothing_by_one_mark():
    x, target, _ = delayed_xor(30, 4000, seeded())
    marks = torch.stack([x[:, b][x[:, b] >= 6] - 6 for b in range(4000)])
    assert torch.equal((marks[:, 0] ^ marks[:, 1]).float(), target[:, 0])
    for i in range(2):
        assert abs(target[marks[:, i] == 1].mean().item() - 0.5) < 0.05


def test_marks_of_the_xor_stand_where_those_of_the_order_do():
    for x, _, _ in (delayed_xor(100, 4000, seeded()), temporal_order(2, 4000, seeded())):
        where = (x >= 6).nonzero()[:, 0]
        first, second = where[where < 30], where[where >= 30]
        assert (first.min(), first.max()) == (9, 19)
        assert (second.min(), second.max()) == (49, 59)


def test_side_by_side():
    x, target, lengths = side_by_side(adding, 3, 5, 30, generator=seeded())
    assert (x.shape[1:], target.shape, lengths.shape) == ((3, 5, 2), (3, 5, 1), (3, 5))


def test_one_by_one():
    lessons = one_by_one(long_lag, 3, 5, 4, at_once=2, generator=seeded())
    for _ in range(5):
        x, target, lengths = next(lessons)
        assert x.shape == (lengths.max(), 3)
        assert (target.shape, lengths.shape) == ((3, 2), (3,))
        assert (x[lengths - 1, torch.arange(3)] == 5).all(), "e is the last"
    x, after, _ = next(one_by_one(predict_last, 3, 4, False, generator=seeded()))
    assert torch.equal(after[:-1], x[1:])


def test_reber_strings():
    texts = [reber.draw_embedded(seeded(i)) for i in range(2000)]
    sizes = torch.tensor([float(len(text)) for text in texts])
    assert sizes.min() == 9
    assert sizes.mean().item() == pytest.approx(12, abs=0.25)
    for text in texts[:200]:
        after = reber.legal(text)
        assert all(text[i + 1] in after[i] for i in range(len(text) - 1))
        assert after[-4:] == ["E", text[1], "E", ""]
    with pytest.raises(ValueError, match="not of the grammar"):
        reber.legal("BTBTXSETT")


def test_reber_lessons():
    train, test = reber.split(seeded(), 40, 30)
    assert not set(train) & set(test)
    x, after, may, lengths = reber.encode(train)
    assert torch.equal(lengths, torch.tensor([len(t) - 1 for t in train]))
    perfect = may.clone()
    assert reber.predicted(perfect, may, lengths).all()
    wrong = perfect.clone()
    wrong[lengths[0] - 2, 0] = 1 - wrong[lengths[0] - 2, 0]
    assert reber.predicted(wrong, may, lengths).sum() == 39
    both = reber.predicted(torch.stack([perfect, wrong], 1), may, lengths)
    assert both.sum(1).tolist() == [40, 39]
    assert (after >= 0).sum() == lengths.sum()
    assert may.gather(2, after.clamp_min(0)[..., None])[..., 0][after >= 0].all()
    assert x.max() <= 6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: adding(21, 1), "at least 22, .* got 21"),
        (lambda: long_lag(0, 5, 1), "at least 1"),
        (lambda: predict_last(1, False, 1), "lag must be at least 2"),
        (lambda: temporal_order(4, 1), "marks must be 2"),
        (lambda: two_sequence(100, 1, 1, variant="3d"), "variant must be 3a"),
        (lambda: delayed_xor(19, 1), "at least 20"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
