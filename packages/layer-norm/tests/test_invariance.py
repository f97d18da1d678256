"""Table 1 of the paper, cell by cell, and the geometry of §5.2."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.layer_norm import TABLE_1, normalized_linear, table_1
from lessons.layer_norm.invariance import CHANGES, changed


def data(seed=0, cases=50, inputs=7, units=11):
    generator = torch.Generator().manual_seed(seed)
    x_BI = torch.randn(cases, inputs, generator=generator, dtype=torch.float64)
    weight_OI = torch.randn(units, inputs, generator=generator, dtype=torch.float64)
    return x_BI, weight_OI, torch.randn(inputs, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", TABLE_1)
@pytest.mark.parametrize("column", range(6), ids=[name.replace(" ", "-") for name in CHANGES])
def test_table_1(kind, column):
    x_BI, weight_OI, shift_I = data()
    moved = table_1(x_BI, weight_OI, 2.7, shift_I)[kind][CHANGES[column]]
    assert moved < 1e-12 if TABLE_1[kind][column] else moved > 1e-2


@settings(deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 99), st.integers(2, 9), st.integers(3, 12))
def test_layer_norms_invariances_hold_for_all_sizes_and_positive_scales(scale, seed, cases, units):
    x_BI, weight_OI, shift_I = data(seed, cases, 7, units)
    for name, invariant in zip(CHANGES, TABLE_1["layer"]):
        if invariant:
            x, weight = changed(name, x_BI, weight_OI, scale, shift_I)
            got = normalized_linear(x, weight, "layer")
            torch.testing.assert_close(
                got, normalized_linear(x_BI, weight_OI, "layer"), rtol=0, atol=1e-9
            )


def test_scaling_and_shifting_together_as_in_eq_6():
    x_BI, weight_OI, shift_I = data()
    got = normalized_linear(x_BI, 2.7 * weight_OI + shift_I, "layer")
    torch.testing.assert_close(got, normalized_linear(x_BI, weight_OI, "layer"))


def test_a_negative_scale_turns_the_sign_which_the_table_does_not_say():
    x_BI, weight_OI, _ = data()
    for kind in TABLE_1:
        before = normalized_linear(x_BI, weight_OI, kind)
        torch.testing.assert_close(normalized_linear(x_BI, -2 * weight_OI, kind), -before)


def test_under_batch_norm_one_re_scaled_case_moves_the_others():
    x_BI, weight_OI, shift_I = data()
    for kind, moves in (("batch", True), ("layer", False), ("weight", False), ("rms", False)):
        x, weight = changed(CHANGES[5], x_BI, weight_OI, 2.7, shift_I)
        before, after = (
            normalized_linear(*each, kind) for each in ((x_BI, weight_OI), (x, weight))
        )
        moved = (after - before)[1:].abs().max()
        assert moved > 1e-2 if moves else moved == 0


def test_normalizing_the_input_only_gives_no_invariance_to_weights():
    # §5.1: "if normalization is only applied to the input before the weights".
    x_BI, weight_OI, shift_I = data()
    normal_BI = torch.layer_norm(x_BI, (7,))
    for weight in (2.7 * weight_OI, weight_OI + shift_I):
        assert (normal_BI @ (weight - weight_OI).T).abs().max() > 1


def test_gain_and_bias_come_after():
    x_BI, weight_OI, _ = data()
    gain, bias = torch.arange(11.0).double(), torch.ones(11).double()
    torch.testing.assert_close(
        normalized_linear(x_BI, weight_OI, "layer", gain, bias),
        gain * normalized_linear(x_BI, weight_OI, "layer") + 1,
    )


@pytest.mark.parametrize("kind", TABLE_1)
def test_the_gradient_shrinks_as_the_weights_grow_and_is_orthogonal_to_them(kind):
    x_BI, weight_OI, _ = data()
    target = torch.randn(50, 11, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    gradients = []
    for scale in (1, 2, 4):
        weight = (scale * weight_OI).requires_grad_()
        loss = (normalized_linear(x_BI, weight, kind).tanh() - target).square().mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        assert abs((gradient * weight).sum().item()) < 1e-13
        if kind == "layer":  # a shift of all weight vectors is free, so no gradient goes there
            assert gradient.sum(0).abs().max() < 1e-14
        gradients.append(gradient)
    for scale, gradient in zip((2, 4), gradients[1:]):
        torch.testing.assert_close(gradient * scale, gradients[0])


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="instance"):
        normalized_linear(*data()[:2], "instance")


def test_the_numbers_of_the_drawing():
    table = torch.tensor([[2, 0, 5, 3, 1], [3, 1, 4, 1, 6], [1, 2, 0, 4, 2], [4, 3, 7, 0, 5.0]])
    column, row = table[:, 2], table[1]
    assert [column.mean().item(), row.mean().item()] == [4, 3]
    assert [round(t.std(correction=0).item(), 1) for t in (column, row)] == [2.5, 1.9]
    eye = torch.eye(5)
    rounded = [round(v, 1) for v in normalized_linear(row[None], eye, "layer")[0].tolist()]
    assert rounded == [0, -1.1, 0.5, -1.1, 1.6]
