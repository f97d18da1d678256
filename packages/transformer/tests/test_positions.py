"""What §3.5 says of positions."""

import math

import pytest
import torch

from lessons.transformer import SinusoidalPositionalEncoding, shift_matrix
from lessons.transformer.positions import longest_wavelength


def encode(d, positions, **options):
    return SinusoidalPositionalEncoding(d, **options)(torch.as_tensor(positions), torch.float64)


def test_the_formula_entry_by_entry():
    table = encode(6, range(20))
    for pos in (0, 1, 19):
        for i in range(3):
            angle = pos / 10000 ** (2 * i / 6)
            assert table[pos, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[pos, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-12)


def test_position_1_of_4_dimensions():
    expected = [0.8415, 0.5403, 0.0100, 1.0000]
    assert encode(4, [1])[0].tolist() == pytest.approx(expected, abs=5e-5)


def test_concat_is_a_permutation_of_interleaved():
    interleaved, concat = encode(8, range(9)), encode(8, range(9), layout="concat")
    assert torch.equal(concat, interleaved[:, [0, 2, 4, 6, 1, 3, 5, 7]])


@pytest.mark.parametrize("offset", [-3, 0, 1, 37, 500])
def test_a_shift_is_one_rotation_for_all_positions(offset):
    shift = shift_matrix(offset, 512)
    moved = encode(512, range(3, 203)) @ shift.T
    torch.testing.assert_close(
        moved, encode(512, torch.arange(3, 203) + offset), atol=1e-11, rtol=0
    )
    torch.testing.assert_close(shift @ shift.T, torch.eye(512).double(), atol=1e-14, rtol=0)


def test_the_longest_wavelength_is_less_than_the_paper_says():
    assert longest_wavelength(512) == pytest.approx(60_611, abs=0.5)
    assert longest_wavelength(512) < 10_000 * 2 * math.pi == pytest.approx(62_832, abs=0.5)
    assert longest_wavelength(512, "tensor2tensor") == pytest.approx(10_000 * 2 * math.pi)


def test_two_positions_differ_by_their_distance_only():
    table = encode(64, range(100))
    products = table @ table.T
    for k in range(5):
        torch.testing.assert_close(
            products.diagonal(k), products[0, k].expand(100 - k), atol=1e-10, rtol=0
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 5}, "d_model must be even .* got 5"),
        ({"d_model": 4, "layout": "mixed"}, "layout must be .* got 'mixed'"),
        ({"d_model": 4, "spacing": "wide"}, "spacing must be .* got 'wide'"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SinusoidalPositionalEncoding(**arguments)
