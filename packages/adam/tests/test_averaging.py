"""The average of the parameters (§7.2)."""

import pytest
import torch

from lessons.adam import ParameterAverage


def test_the_average_of_a_constant_is_that_constant_from_the_first_update():
    x = torch.tensor([3.0, -1.0], dtype=torch.float64)
    average = ParameterAverage([x], beta2=0.99)
    for _ in range(3):
        average.update()
        assert torch.allclose(average.averages()[0], x, rtol=1e-12)


def test_the_average_weighs_the_past_geometrically_and_swap_restores():
    x = torch.zeros(1, dtype=torch.float64)
    average = ParameterAverage([x], beta2=0.5)
    for value in (1.0, 2.0, 4.0):
        x.fill_(value)
        average.update()
    expected = (0.125 * 1 + 0.25 * 2 + 0.5 * 4) / (1 - 0.125)
    with average.swap():
        assert x.item() == pytest.approx(expected)
    assert x.item() == 4.0


def test_swap_restores_after_an_error_too():
    x = torch.ones(1)
    average = ParameterAverage([x], beta2=0.5)
    average.update()
    x.fill_(5.0)
    with pytest.raises(ZeroDivisionError), average.swap():
        _ = 1 / (x - 1).item()
    assert x.item() == 5.0


def test_an_empty_average_says_so():
    average = ParameterAverage([torch.zeros(2)])
    with pytest.raises(RuntimeError, match="call update"), average.swap():
        pass
    with pytest.raises(ValueError, match=r"beta2 must be in \[0, 1\), got 1"):
        ParameterAverage([torch.zeros(2)], beta2=1)
    with pytest.raises(ValueError, match="at least one tensor"):
        ParameterAverage([])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_long_average_of_a_constant_is_that_constant_in_every_precision(dtype):
    x = torch.ones(4, dtype=dtype)
    average = ParameterAverage([x])
    for _ in range(5000):
        average.update()
    assert average.averages()[0].dtype is dtype
    assert average.averages()[0].tolist() == pytest.approx([1] * 4, abs=1e-4)


def test_a_saved_average_goes_on_as_if_nothing_had_happened():
    x = torch.zeros(3)
    first, second = ParameterAverage([x], beta2=0.9), ParameterAverage([x])
    for value in range(4):
        x.fill_(value)
        first.update()
    second.load_state_dict(first.state_dict())
    for average in (first, second):
        average.update()
    assert torch.equal(first.averages()[0], second.averages()[0])
    assert second.beta2 == 0.9
    with pytest.raises(ValueError, match=r"shapes \[\(3,\)\], expected \[\(2,\)\]"):
        ParameterAverage([torch.zeros(2)]).load_state_dict(first.state_dict())
