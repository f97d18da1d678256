"""The lab that every package has a copy of: intervals, verdicts, and what a run keeps on disk."""

import json
import math
import subprocess
import sys

import pytest
from scipy import stats

from lessons.papers.template.src.lab.claim import Finding, claim, demonstration
from lessons.papers.template.src.lab.run import Run, order
from lessons.papers.template.src.lab.statistics import (
    HOLDS,
    NOT_SEEN,
    REFUTED,
    UNDECIDED,
    Interval,
    Judgement,
    every,
    exact,
    interval,
    judge,
    paired,
    proportion,
    ratio,
    seeds_needed,
    slope,
    unpaired,
)

OURS, THEIRS = [1.2, 1.5, 1.1, 1.6, 1.4], [1.0, 1.4, 1.2, 1.3, 1.1]


def ends(interval):
    return interval.low, interval.high


def test_three_seeds_reach_over_four_standard_errors():
    found = interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.n == 3
    assert found.high - found.mean == pytest.approx(4.302653 / math.sqrt(3), abs=1e-6)


def test_intervals_are_those_of_scipys_tests():
    assert ends(interval(OURS)) == pytest.approx(
        tuple(stats.ttest_1samp(OURS, 0).confidence_interval())
    )
    assert ends(paired(OURS, THEIRS)) == pytest.approx(
        tuple(stats.ttest_rel(OURS, THEIRS).confidence_interval())
    )
    welch = stats.ttest_ind(OURS, THEIRS[:3], equal_var=False)
    assert ends(unpaired(OURS, THEIRS[:3])) == pytest.approx(tuple(welch.confidence_interval()))


def test_a_ratio_is_the_same_upside_down():
    up, down = ratio(OURS, THEIRS), ratio(THEIRS, OURS)
    assert up.mean * down.mean == pytest.approx(1)
    assert up.low * down.high == pytest.approx(1)


def test_a_share_of_none_is_not_certain():
    found = proportion(0, 10)
    assert found.low == 0
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 10))


def test_a_slope_without_scatter_is_the_slope():
    found = slope([0, 1, 2, 3], [1, 3, 5, 7])
    assert ends(found) == pytest.approx((2, 2))


BETWEEN = Interval(0.5, 0.4, 0.6, 5)


@pytest.mark.parametrize(
    ("line", "paper_regime", "verdict"),
    [
        ({"above": 0.3}, True, HOLDS),
        ({"above": 0.5}, True, UNDECIDED),
        ({"above": 0.6}, True, UNDECIDED),
        ({"above": 0.7}, True, REFUTED),
        ({"above": 0.7}, False, NOT_SEEN),
        ({"below": 0.7}, False, HOLDS),
        ({"below": 0.5}, False, UNDECIDED),
        ({"below": 0.3}, True, REFUTED),
        ({"below": 0.3}, False, NOT_SEEN),
        ({"within": (0.3, 0.7)}, True, HOLDS),
        ({"within": (0.45, 0.7)}, True, UNDECIDED),
        ({"within": (0.0, 0.3)}, True, REFUTED),
        ({"within": (0.7, 1.0)}, False, NOT_SEEN),
    ],
)
def test_the_verdict_follows_from_interval_and_line(line, paper_regime, verdict):
    assert judge(BETWEEN, **line, paper_regime=paper_regime).verdict == verdict


@pytest.mark.parametrize("lines", [{}, {"above": 0, "below": 1}, {"within": (1, 0)}])
def test_a_verdict_needs_one_line(lines):
    with pytest.raises(ValueError, match=r"one of|within"):
        judge(BETWEEN, **lines, paper_regime=True)


def test_all_of_several_is_as_good_as_the_worst():
    good, bad = (judge(BETWEEN, above=line, paper_regime=True) for line in (0.0, 0.9))
    close = judge(BETWEEN, above=0.35, paper_regime=True)
    assert every([good, bad]) is bad
    assert every([good, close]) is close
    assert every([exact(True), good]).verdict == HOLDS
    assert every([exact(False), good]).verdict == REFUTED


def test_the_seeds_that_are_needed_would_decide():
    undecided = interval([0.1, -0.2, 0.4, 0.3])
    n = seeds_needed(undecided, 0.0)
    spread = (undecided.high - undecided.low) / 2 / stats.t.ppf(0.975, 3) * math.sqrt(4)
    assert stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) < undecided.mean


@pytest.mark.parametrize("mean", [0.0, 1e-17, 1e-6])
def test_no_number_of_seeds_decides_a_mean_on_the_line(mean):
    assert seeds_needed(Interval(mean, mean - 0.5, mean + 0.5, 3), 0.0) is None


@pytest.mark.parametrize("values", [[1.0], [1.0, math.nan], [1.0, math.inf], []])
def test_no_interval_from_one_run_or_from_a_diverged_one(values):
    with pytest.raises(ValueError, match="values"):
        interval(values)


def test_pairs_are_pairs():
    with pytest.raises(ValueError, match="2 and 3"):
        paired([1, 2], [1, 2, 3])


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(-0.3149, -0.3949, -0.2349, 5), "−0.315 ± 0.080"),
        (Interval(28.41, 27.1, 29.72, 5), "28.4 ± 1.3"),
        (Interval(1.42, 1.30, 1.60, 5), "1.42 [1.30, 1.60]"),
        (Interval(2.0, 2.0, 2.0, 5), "2.0000 ± 0.0000"),
        (Interval(-0.0001, -0.2, 0.2, 5), "0.00 ± 0.20"),
    ],
)
def test_an_interval_reads_well(interval, text):
    assert interval.text() == text


def test_a_finding_says_what_its_verdict_owes():
    rest = {"ran": "3 seeds", "measured": "1", "numbers": {}}
    with pytest.raises(ValueError, match="between"):
        Finding(Judgement(NOT_SEEN), **rest)
    with pytest.raises(ValueError, match="would_decide"):
        Finding(Judgement(UNDECIDED), **rest)
    with pytest.raises(ValueError, match="verdict must be"):
        Finding("maybe", **rest)


def found(run, judgement):
    return Finding(judgement, ran="1", measured="1", numbers={}, ours="1")


def test_claims_have_a_verdict_and_nothing_else_has(tmp_path):
    run = Run(tmp_path, scale="test")
    without = claim("C1", "§1", "it is so")(lambda run: found(run, None))
    shown = demonstration("D1", "it is shown")(lambda run: found(run, exact(True)))
    with pytest.raises(ValueError, match="C1 is a claim"):
        run.judge(without)
    with pytest.raises(ValueError, match="D1 is no claim"):
        run.judge(shown)


def test_a_record_has_the_rule_and_the_interval(tmp_path):
    held = claim("C1", "§1", "it is so", quotes="It is.", holds_if="above 0", fails_if="below")(
        lambda run: found(run, judge(BETWEEN, above=0, paper_regime=True))
    )
    record = Run(tmp_path, scale="test").judge(held)
    assert record["verdict"] == HOLDS
    assert record["rests_on"] == {
        "mean": 0.5, "low": 0.4, "high": 0.6, "n": 5, "side": "above", "line": 0,
    }  # fmt: skip
    assert (record["quotes"], record["holds_if"], record["kind"]) == ("It is.", "above 0", "claim")


def test_records_are_in_the_order_of_their_numbers():
    ids = ["E1", "C10", "D1", "C2b", "C2a", "C1"]
    assert sorted(ids, key=order) == ["C1", "C2a", "C2b", "C10", "D1", "E1"]


def double(run, x):
    return 2 * x


def test_two_runs_in_one_folder_keep_what_both_did(tmp_path):
    first, second = Run(tmp_path, scale="test"), Run(tmp_path, scale="test")
    ours = claim("C1", "§1", "one")(lambda run: found(run, exact(run.trial(double, x=1) == 2)))
    theirs = claim("C2", "§1", "two")(lambda run: found(run, exact(run.trial(double, x=2) == 4)))
    first.judge(ours)
    second.judge(theirs)
    again = Run(tmp_path, scale="test")
    assert set(again.records) == {"C1", "C2"}
    assert set(again.trials) == {"double(x=1)", "double(x=2)"}


@pytest.mark.parametrize(
    "content", ["", '{"run": ', "[]", "{}", '{"run": "test, seed 0, cpu", "trials": [1]}']
)
def test_a_folder_with_something_else_in_it_is_named(content, tmp_path):
    (tmp_path / "trials.json").write_text(content)
    with pytest.raises(ValueError, match=r"trials\.json.*--fresh"):
        Run(tmp_path, scale="test")


def test_a_folder_that_cannot_be_one_is_an_error_before_anything_is_measured(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Run(tmp_path / "file", scale="test")
    (tmp_path / "claims.json").mkdir()
    with pytest.raises(ValueError, match=r"claims\.json.*--fresh"):
        Run(tmp_path, scale="test")


@pytest.mark.parametrize(("given", "values"), [
    ({"test": 1, "default": 2}, [1, 2, 2, 2]),
    ({"test": 1, "default": 2, "full": 3}, [1, 2, 3, 3]),
    ({"test": 1, "default": 2, "full": 3, "paper": 4}, [1, 2, 3, 4]),
])  # fmt: skip
def test_a_scale_of_which_nothing_was_said_falls_back_to_the_smaller(given, values, tmp_path):
    scales = ["test", "default", "full", "paper"]
    assert [Run(tmp_path / s, scale=s).pick(**given) for s in scales] == values


def test_many_processes_lose_nothing(tmp_path):
    code = """
import sys
from lessons.papers.template.src.lab.run import Run
def triple(run, x):
    return 3 * x
run = Run(sys.argv[1], scale="test")
for x in range(int(sys.argv[2]), int(sys.argv[2]) + 8):
    run.trial(triple, x=x)
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(8 * n)]) for n in range(2)
    ]
    assert [process.wait() for process in started] == [0, 0]
    assert len(json.loads((tmp_path / "trials.json").read_text())["trials"]) == 16
