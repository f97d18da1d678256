"""The tasks say what the paper says, and pieces of a stream fit together."""

import itertools
import random

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from lessons.rnn.tasks import (
    Nonmatch,
    Oscillation,
    PipelinedXor,
    SequenceRecognition,
    Sinusoid,
    temporal_xor,
)
from lessons.rnn.turing import SYMBOLS, Machine, Parentheses, balanced, moves, random_tape

S = 3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pieces(stream, *sizes):
    parts = [stream.draw(size) for size in sizes]
    return [torch.cat(column) for column in zip(*parts)]


@pytest.mark.parametrize("delay", [1, 2, 3, 4])
def test_xor_is_due_after_the_delay(delay):
    x, d = pieces(PipelinedXor(delay, S, seeded()), 7, 1, 30)
    for t in range(delay - 1, 38):  # row t has the targets of t + 1
        want = (x[t + 1 - delay, :, 0] != x[t + 1 - delay, :, 1]).float()
        assert torch.equal(d[t, :, 0], want)


def test_the_first_b_after_an_a():
    stream = SequenceRecognition(4, S, seeded())
    x, d = pieces(stream, 40, 1, 1, 200)
    assert torch.equal(x.sum(2), torch.ones(242, S)), "exactly one line is on"
    longest = 0
    for s in range(S):
        armed, since = False, 0
        for t in range(242):
            a, b = x[t, s, 0] == 1, x[t, s, 1] == 1
            assert d[t, s, 0] == float(b and armed)
            armed = a or (armed and not b)
            since = 0 if b else since + 1
            longest = max(longest, since)
    assert stream.longest == longest


def test_the_cued_bit():
    stream = Nonmatch(S, seeded())
    x, d = pieces(stream, 30, 1, 200)
    assert 0.2 < x[..., 1].mean() < 0.4
    longest = 0
    for s in range(S):
        bit, since, answers = 0.0, 0, [0.0]
        for t in range(231):
            pattern, cue = x[t, s].tolist()
            bit = pattern if cue else bit
            answers.append(float(bit != pattern))
            assert d[t, s, 0] == answers[t]  # delay 2: what came in one row before
            since = 0 if cue else since + 1
            longest = max(longest, since)
    assert stream.longest == longest


def test_oscillations():
    _, d = pieces(Oscillation("0011", S), 3, 6)
    assert d.flatten().tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 0]
    x, d = pieces(Sinusoid(S), 20, 30)
    assert x.shape == (50, 1, 0)
    torch.testing.assert_close(d[:25], d[25:])
    assert d.amax() < 0.9
    assert d.amin() > 0.1


def test_every_third_bit_is_the_xor():
    bits = temporal_xor(40, 5, seeded())
    assert torch.equal(bits[2::3], (bits[::3] != bits[1::3]).float())
    assert bits.shape == (120, 5)


def test_the_machine_decides_every_short_string():
    for length in range(9):
        for letters in itertools.product("()", repeat=length):
            machine, moves = Machine("".join(letters)), 0
            while machine.verdict is None:
                machine.step()
                moves += 1
            assert machine.verdict == balanced("".join(letters))
            assert moves <= (length + 2) ** 2


def test_the_machines_moves_by_hand():
    machine, seen = Machine("()"), []
    while machine.verdict is None:
        seen.append(machine.step())
    assert seen == [
        ("(", (1, 0, 0, 0)), (")", (0, 1, 0, 0)), ("(", (1, 1, 0, 0)), ("X", (1, 0, 0, 0)),
        ("$", (0, 0, 0, 0)), ("X", (0, 0, 0, 0)), ("X", (0, 0, 0, 0)), ("#", (0, 0, 1, 0)),
    ]  # fmt: skip


def reached():
    """What the controller does in each pair of a state and a symbol that it ever meets."""
    done = {}
    for length in range(7):
        for letters in itertools.product("()", repeat=length):
            machine = Machine("".join(letters))
            while machine.verdict is None:
                state = machine.state
                symbol, actions = machine.step()
                done[state, SYMBOLS.index(symbol)] = actions
    return done


def test_no_action_is_asked_before_a_net_can_have_it():
    # One step after the symbol a net input is g(past) + v(symbol): what is due then has to be a
    # threshold of such a sum. To reject is none; so actions are due after two steps or more.
    done = reached()
    assert len(done) == 10
    points = np.zeros((len(done), 3 + len(SYMBOLS) + 1))
    for row, (state, symbol) in zip(points, done):
        row[[state, 3 + symbol, -1]] = 1
    possible = []
    for action in range(4):
        sign = np.array([2 * actions[action] - 1 for actions in done.values()])
        found = linprog(
            np.zeros(points.shape[1]), -sign[:, None] * points, -np.ones(len(sign)),
            bounds=(-1e3, 1e3),
        )  # fmt: skip
        possible.append({0: True, 2: False}[found.status])
    assert possible == [True, True, True, False]
    assert Parentheses(1).delay >= 2
    # With a hidden unit for each pair every action is one: two layers do.
    hidden = np.eye(len(done))
    wanted = np.array(list(done.values()))
    assert ((hidden @ wanted > 0.5) == (wanted > 0.5)).all()


def test_tapes_follow_one_another():
    stream = Parentheses(S, seed=1)
    x, d = pieces(stream, 500, 1, 500)
    assert torch.equal(x.sum(2), torch.ones(1001, S))
    again, same = Parentheses(S, seed=1).draw(1001)
    assert torch.equal(again, x)
    assert torch.equal(same, d)
    sooner = Parentheses(S, seed=1, delay=1).draw(1001)
    assert torch.equal(sooner[0], x)
    assert torch.equal(sooner[1][:-1], d[1:])
    assert not d[0].any()
    d = sooner[1]
    ends = d[..., 2:].sum(2)
    assert set(ends.flatten().tolist()) == {0.0, 1.0}
    assert (x[..., SYMBOLS.index("#")] >= d[..., 2]).all(), "accepted at the left end"
    for s in range(S):  # tape by tape, as the machine goes
        stops = (ends[:, s].nonzero().flatten() + 1).tolist()
        for start, stop in itertools.pairwise([0, *stops]):
            symbols = x[start:stop, s].argmax(1).tolist()
            states, state = [], 0
            for symbol in symbols:
                states.append(reached()[state, symbol])
                state = {(0, 1): 1, (0, 4): 2, (1, 0): 0}.get((state, symbol), state)
            assert [tuple(map(int, row)) for row in d[start:stop, s].tolist()] == states


def test_half_of_the_tapes_are_balanced():
    dice, n = random.Random(0), 20_000
    tapes = [random_tape(3.0, dice) for _ in range(n)]
    good = [tape for tape in tapes if balanced(tape)]
    assert abs(len(good) / n - 0.5) < 5 * (0.25 / n) ** 0.5
    assert abs(good.count("") / len(good) - 0.25) < 0.02
    assert abs(sum(map(len, good)) / len(good) / 2 - 3) < 0.15
    bad = [tape for tape in tapes if not balanced(tape)]
    assert min(map(len, bad)) == 2
    assert moves("()")[0] == [SYMBOLS.index(s) for s in "()(X$XX#"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PipelinedXor(0, S), "delay must be at least 1"),
        (lambda: SequenceRecognition(1, S), "a and b, got 1"),
        (lambda: Oscillation("012", S), "'012'"),
        (lambda: Sinusoid(S, period=1), "got 1 and 0.4"),
        (lambda: Machine("(a)"), "'\\(a\\)'"),
        (
            lambda: Parentheses(S, pairs=0.0),
            "pairs must be above 0, .* got 0.0 and 2",
        ),
        (lambda: Parentheses(S, delay=0), "got 3.0 and 0"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
