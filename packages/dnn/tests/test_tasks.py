"""The tasks are the chapter's, pattern by pattern; so are the printed networks."""

import itertools

import pytest
import torch

from lessons.dnn import (
    DETECTORS,
    PUBLISHED,
    DeltaNet,
    RecurrentNet,
    addition,
    encoder,
    family_trees,
    levels,
    negation,
    parity,
    sequence_completion,
    shift_register,
    symmetry,
    t_c,
    xor,
)
from lessons.dnn.families import RELATIONS, kin
from lessons.dnn.tasks import NOVEL


def text(row):
    return "".join(str(int(bit)) for bit in row.tolist())


def table(x, truth):
    return {text(a): text(b) for a, b in zip(x, truth)}


def test_exclusive_or_is_table_1():
    assert table(*xor()) == {"00": "0", "01": "1", "10": "1", "11": "0"}


@pytest.mark.parametrize("n", range(2, 9))
def test_parity_is_odd_in_half_of_all_patterns(n):
    x, truth = parity(n)
    assert len(set(map(text, x))) == 2**n
    assert all(text(a).count("1") % 2 == b for a, b in zip(x, truth))
    assert truth.mean() == 0.5


def test_the_encoder_and_the_levels_are_tables_4_and_6():
    assert table(*encoder(8)) == {f"{2**k:08b}": f"{2**k:08b}" for k in range(8)}
    assert table(*levels()) == {"00": "1000", "01": "0100", "10": "0010", "11": "0001"}


def test_8_of_64_patterns_of_six_bits_are_symmetric():
    x, truth = symmetry(6)
    assert len(x) == 64
    assert truth.sum() == 8
    assert all((text(a) == text(a)[::-1]) == bool(b) for a, b in zip(x, truth))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_sums_are_right(n):
    for a, b in zip(*addition(n)):
        assert int(text(a[:n]), 2) + int(text(a[n:]), 2) == int(text(b), 2)


def test_negation_is_table_9():
    found = table(*negation(3))
    assert len(found) == 16
    for k in range(8):
        assert found[f"0{k:03b}"] == f"{k:03b}"
        assert found[f"1{k:03b}"] == f"{7 - k:03b}"


def test_the_shift_is_by_two_to_the_left():
    found = table(*shift_register(5))
    assert found["10000"] == "00010"
    assert found["01101"] == "10101"
    assert len(found) == 32


def test_t_and_c_have_five_squares_each_in_four_orientations():
    x, truth = t_c()
    assert x.sum(1).tolist() == [5] * 8
    assert len(set(map(text, x))) == 8
    assert truth.flatten().tolist() == [1] * 4 + [0] * 4
    assert text(x[0].view(7, 7)[2:5, 2:5].flatten()) == "111010010"


def test_all_25_sequences_are_those_of_table_10():
    x, truth, names = sequence_completion()
    spelled = [f"{n}{''.join(str(1 + int(d)) for d in t.argmax(1))}" for n, t in zip(names, truth)]
    table_10 = """AA1212 AB1223 AC1231 AD1221 AE1213 BA2312 BB2323 BC2331 BD2321 BE2313 CA3112
        CB3123 CC3131 CD3121 CE3113 DA2112 DB2123 DC2131 DD2121 DE2113 EA1312 EB1323 EC1331 ED1321
        EE1313"""
    assert spelled == table_10.split()
    assert x.shape == (25, 5, 5)
    assert x.sum((1, 2)).tolist() == [2] * 25
    assert x[:, 2:].sum() == 0
    assert set(NOVEL) < set(names)


def test_there_are_150_variations_six_of_each():
    x, truth, names = sequence_completion(variations=True)
    assert x.shape == (150, 7, 5)
    table_12 = {"EA--", "E-A-", "E--A", "-EA-", "-E-A", "--EA"}
    assert {name for name in names if name.replace("-", "") == "EA"} == table_12
    assert truth[names.index("-E-A")].argmax(1).tolist() == [0, 2, 0, 1]


def test_two_families_have_104_questions_and_112_answers():
    trees = family_trees()
    assert trees.inputs.shape == (104, 36)
    assert trees.truths.shape == (104, 24)
    assert trees.truths.sum() == len(trees.triples) == 112
    english = trees.inputs[:, :12].sum(1) > 0
    assert (int(english.sum()), int(trees.truths[english].sum())) == (52, 56)
    assert (trees.inputs[:, :24].sum(1) == 1).all()
    assert (trees.inputs[:, 24:].sum(1) == 1).all()
    assert not trees.truths[english][:, 12:].any(), "nobody marries into the other family"


def test_relations_are_mutual():
    found = set(kin())
    pairs = {"husband": {"wife"}, "wife": {"husband"}, "brother": {"brother", "sister"}}
    pairs |= {"father": {"son", "daughter"}, "mother": {"son", "daughter"}}
    pairs |= {"uncle": {"nephew", "niece"}, "aunt": {"nephew", "niece"}}
    for me, relation, other in found:
        if relation in pairs:
            assert any((other, back, me) in found for back in pairs[relation])
    assert {relation for _, relation, _ in found} == set(RELATIONS)


def test_colin_has_two_aunts():
    triples = family_trees().triples
    assert {o for p, r, o in triples if (p, r) == ("Colin", "aunt")} == {"Margaret", "Jennifer"}
    assert {o for p, r, o in triples if (p, r) == ("Alfonso", "uncle")} == {"Emilio", "Tomaso"}
    assert {o for p, r, o in triples if (p, r) == ("Arthur", "niece")} == {"Charlotte"}


@pytest.mark.parametrize("figure", PUBLISHED)
def test_printed_networks_do_what_the_text_says(figure):
    printed = PUBLISHED[figure]
    net = DeltaNet.from_preset(printed.net, dtype=torch.float64)
    net.set_matrix(printed.matrix())
    assert torch.equal(net.matrix()[0], printed.matrix()), "every printed weight has its place"
    x, truth = printed.task
    wrong = ((net(x.double())[0] - truth).abs() >= 0.4).any(1).nonzero().flatten()
    assert tuple(wrong.tolist()) == printed.fails


def test_figure_3_gives_its_targets_within_03():
    net = DeltaNet.from_preset("xor-2-1-1", dtype=torch.float64)
    net.set_matrix(PUBLISHED["Fig. 3"].matrix())
    expected = torch.tensor([0.103, 0.877, 0.877, 0.109], dtype=torch.float64)
    assert torch.allclose(net(xor()[0].double()).flatten(), expected, atol=5e-4)


def test_the_dashes_of_figure_11d_would_get_six_sums_wrong():
    matrix = PUBLISHED["Fig. 11"].matrix()
    matrix[8, 1:5] = -2
    net = DeltaNet.from_preset("addition-4-3-3", dtype=torch.float64)
    net.set_matrix(matrix)
    x, truth = addition()
    assert ((net(x.double())[0] - truth).abs() >= 0.4).any(1).sum() == 6


def test_the_all_ones_detector_meets_a_t_in_21_places_and_a_c_in_20():
    windows = t_c(9)[0].view(8, 9, 9).unfold(1, 3, 1).unfold(2, 3, 1)
    assert (windows.sum((-2, -1)) > 0).sum((1, 2)).tolist() == [21] * 4 + [20] * 4
    assert all(len(field) == 3 for field in DETECTORS.values())


@pytest.mark.parametrize(
    ("weights", "tells"), [((1, 2, 4), True), ((2, 3, 4), True), ((1, 2, 3), False)]
)
def test_powers_of_two_are_not_the_only_weights_that_tell_all_halves_apart(weights, tells):
    # A pattern and the mirror image of its other half must never give the same sum (p. 341).
    sums = {
        sum(w * b for w, b in zip(weights, half)) for half in itertools.product((0, 1), repeat=3)
    }
    assert (len(sums) == 8) is tells


def test_three_units_have_another_way_to_shift_by_two():
    # What half of the nets learn, rounded: a step turns on the two other units, then the right one.
    x, truth = shift_register(3)
    wired = torch.ones(3, 3, dtype=torch.bool)
    net = RecurrentNet(0, 0, 3, 2, wired, dtype=torch.float64)
    weights = torch.tensor([[4.6, -4.2, 4.6], [4.6, 4.6, -4.2], [-4.2, 4.6, 4.6]])
    net.weights.data[0] = torch.cat([weights.flatten(), torch.full((3,), -2.6)])
    states = net.states(net.given(torch.zeros(8, 2, 0).double(), x.double()))[0]
    assert ((states[:, 1] > 0.5) == (truth > 0.5)).all()
    assert text(states[1, 0].round()) == "101", "001 becomes 101, and then 100"


def test_bad_tasks_are_refused():
    with pytest.raises(ValueError, match="n must be even, got 5"):
        symmetry(5)
    with pytest.raises(ValueError, match="side must be 3 or more, got 2"):
        t_c(2)
