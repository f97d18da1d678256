"""The layout of most LeNets: what it cannot hold, and state dicts that are none of it."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.cnn import LeNet5, LeNet5Config, ZipNet, from_conv_stack, to_conv_stack


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def net():
    return LeNet5.from_preset("lenet5_modern", rng(), num_classes=3).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_net_comes_back_from_the_layout(net, dtype):
    state = {name: tensor.to(dtype) for name, tensor in to_conv_stack(net).items()}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    back = from_conv_stack(state)
    assert torch.equal(torch.get_rng_state(), before)
    assert back.config == net.config
    assert not back.training
    assert all(p.requires_grad and p.dtype == dtype for p in back.parameters())
    for (name, one), other in zip(net.state_dict().items(), back.state_dict().values()):
        assert torch.equal(one.to(dtype), other), name
    memory = {tensor.data_ptr() for tensor in state.values()}
    assert not memory & {p.data_ptr() for p in back.parameters()}


@pytest.mark.parametrize(
    "changes", [{"activation": "tanh", "subsample": "avg"}, {"subsample": "avg"}]
)
def test_what_leaves_no_trace_is_told(changes):
    net = LeNet5.from_preset("lenet5_modern", rng(), **changes).double()
    back = from_conv_stack(to_conv_stack(net), **changes)
    x = torch.randn(2, 1, 32, 32, generator=rng(1), dtype=torch.float64)
    assert torch.equal(back(x), net(x))


@pytest.mark.parametrize("changes", [{"c3": "table"}, {"subsample": "trainable"}])
def test_parts_without_a_place_are_refused(net, changes):
    odd = LeNet5.from_preset("lenet5_modern", **changes)
    for call in (
        lambda: to_conv_stack(odd),
        lambda: from_conv_stack(to_conv_stack(net), **changes),
    ):
        with pytest.raises(ValueError, match="of the form lenet5_modern"):
            call()


def broken(state, data):
    """Return a state dict with one thing wrong."""
    state = dict(state)
    name = data.draw(st.sampled_from(sorted(state)))
    tensor = state.pop(name)
    wrongs = {
        "gone": lambda: None,
        "renamed": lambda: state.update({data.draw(st.text("a.1", max_size=5)): tensor}),
        "numbered": lambda: state.update({name.replace("1", "999999999"): tensor}),
        "no name": lambda: state.update({data.draw(st.sampled_from([0, None, b"a"])): tensor}),
        "extra": lambda: state.update({name: tensor, "extra": tensor}),
        "other type": lambda: state.update({name: tensor.to(data.draw(st.sampled_from([
            torch.int8, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn,
            torch.float16])))}),
        "shape": lambda: state.update({name: torch.zeros(
            data.draw(st.lists(st.integers(0, 3), max_size=5)))}),
        "flat": lambda: state.update({name: tensor.flatten()}),
        "grown": lambda: state.update({name: tensor[None].repeat(2, *[1] * tensor.ndim)}),
        "no tensor": lambda: state.update({name: data.draw(st.sampled_from(
            [None, 1.0, "a", [], [1.0], {}]))}),
        "meta": lambda: state.update({name: tensor.to("meta")}),
        "sparse": lambda: state.update({name: tensor.to_sparse()}),
        "expanded": lambda: state.update({name: tensor[..., :1].expand(tensor.shape)
                                          if tensor.ndim else tensor}),
        "learns": lambda: state.update({name: tensor.clone().requires_grad_()
                                        if tensor.is_floating_point() else tensor}),
    }  # fmt: skip
    wrongs[data.draw(st.sampled_from(sorted(wrongs)))]()
    return state


@given(data=st.data())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_state_dict_raises_a_value_error_or_fits(net, data):
    try:
        back = from_conv_stack(broken(to_conv_stack(net), data))
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert all(not p.is_meta and p.is_leaf for p in (*back.parameters(), *back.buffers()))


@pytest.mark.parametrize("state", [None, [], {}, 1, torch.zeros(2), {"a": 1}])
def test_what_is_no_state_dict_is_refused(state):
    with pytest.raises(ValueError, match="state_dict"):
        from_conv_stack(state)


def test_a_state_dict_without_numbers_makes_a_net_without_numbers(net):
    meta = {name: tensor.to("meta") for name, tensor in to_conv_stack(net).items()}
    assert all(p.is_meta for p in from_conv_stack(meta).parameters())


@pytest.mark.parametrize("make", [
    lambda g: LeNet5(LeNet5Config(), g),
    lambda g: LeNet5.from_preset("lenet5", g),
    lambda g: LeNet5.from_preset("lenet5_modern", g),
    lambda g: LeNet5.from_preset("lenet5_modern", g, c3="table", subsample="trainable"),
    lambda g: ZipNet(generator=g),
])  # fmt: skip
def test_first_weights_are_drawn_from_the_generator(make):
    one, same, other = (make(rng(seed)).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    drawn = [name for name in one if name.endswith("weight")]
    assert not any(torch.equal(one[name], other[name]) for name in drawn)


def test_centers_are_learned_only_where_there_are_any():
    with pytest.raises(ValueError, match="learnable_centers needs output='rbf'"):
        LeNet5.from_preset("lenet5_modern", learnable_centers=True)
