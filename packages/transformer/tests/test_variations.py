"""Rows of Table 3: what is judged, and against which line."""

import re
import types

import pytest
import torch

from lessons.transformer.claims import CLAIMS, regularization, rows, translators, variations
from lessons.transformer.claims.additive import AdditiveAttention
from lessons.transformer.lab.run import Run
from lessons.transformer.lab.statistics import Interval

GAP = Interval(0.0, -1.0, 1.0, 3)
NAMES = {"nats": "loss", "bleu": "BLEU", "accuracy": "accuracy"}
BY_ID = {claim.id: claim for claim in CLAIMS}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("rows"), scale="test")


LINES = ["C4a", "C4b", "C4c", "C4d", "C4e", "C4f", "C6a", "C6b", "C6c", "C5b"]


@pytest.mark.parametrize("id", LINES)
def test_the_line_of_the_rule_is_the_line_that_is_judged(id, monkeypatch):
    def finding(run, row, score, count=5, **side):
        ((where, line),) = side.items()
        return types.SimpleNamespace(numbers={}, found=(score, where, line))

    for module in (variations, regularization):
        monkeypatch.setattr(module, "finding", finding)
    monkeypatch.setattr(variations, "compare", lambda *_: types.SimpleNamespace(gap=lambda _: GAP))
    score, where, line = BY_ID[id].experiment(None).found
    told = re.search(r"(above|below|within) (−?[\d.]+)", BY_ID[id].holds_if)
    assert told, BY_ID[id].holds_if
    number = float(told[2].replace("−", "-"))
    assert told[1] == where
    assert line == ((-number, number) if where == "within" else number)
    assert BY_ID[id].holds_if.startswith(f"the 95% interval of {NAMES[score]}(")


def test_smaller_keys_leave_the_values_as_wide(run):
    small, base = (rows.net_of(run, row, 0).encoder.layers[0].self_attention
                   for row in ("d_k 4", "base"))  # fmt: skip
    assert (small.num_heads, small.d_k, small.d_v) == (4, 4, 16)
    assert (base.num_heads, base.d_k, base.d_v) == (4, 16, 16)


def test_both_kinds_of_attention_begin_with_the_same_matrices(run):
    ours, theirs = (rows.net_of(run, f"1 head, {kind}", 0) for kind in ("additive", "no scale"))
    assert sum(isinstance(m, AdditiveAttention) for m in ours.modules()) == 6
    n = rows.WIDTH
    for a, b in zip(ours.decoder.layers, theirs.decoder.layers):
        left, right = a.cross_attention.in_proj.weight, b.cross_attention.in_proj.weight
        torch.testing.assert_close(8 * left[:n], right[:n])  # the root of d_k = 64
        torch.testing.assert_close(left[n:], right[n:])


def test_what_was_trained_on_is_learned_better_than_what_was_not(run, monkeypatch):
    monkeypatch.setattr(rows, "FEW", 10)
    monkeypatch.setattr(rows, "KNOWN", 10)
    monkeypatch.setattr(run, "pick", lambda **values: (20, 60) if values["test"] == (2, 3)
                        else Run.pick(run, **values))  # fmt: skip
    found = rows.fitting(run, "few, no dropout", 4e-3, 0)
    assert found["steps"] == [20, 60]
    assert found["train"][1] < found["train"][0]
    assert found["over"] == pytest.approx(found["test"][1] - found["train"][1], abs=1e-5)
    assert found["over"] > 0
    assert len(rows.pairs_of(run, "few", 0)) == 10
    assert rows.pairs_of(run, "base", 0) is translators.texts(run, rows.PIECES)["ids"]["train"]


def test_over_fitting_is_judged_by_the_worse_of_two(run):
    record = run.judge(BY_ID["C6d"])
    numbers = record["numbers"]
    assert set(numbers["curves"]) == {regularization.ROW, regularization.BESIDE}
    nats, over = numbers["difference"]["nats"], numbers["over-fitting"]
    rests = record["rests_on"]
    assert (rests["mean"], rests["line"]) in ((nats[0], 0.08), (over[0], 0.0))
