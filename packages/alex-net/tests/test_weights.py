"""torchvision's and Caffe's layouts: what they cannot hold, and what is none of theirs."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.alex_net import (
    PRESETS,
    AlexNet,
    AlexNetConfig,
    change,
    from_caffe,
    from_torchvision,
    load_caffe,
    load_torchvision,
    to_caffe,
    to_torchvision,
)
from lessons.alex_net.folder import load_statistics
from lessons.alex_net.net import OWT, PAPER

SIZES = {"hidden": (8, 4), "num_classes": 3}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def net():
    return AlexNet.from_preset("alexnet_owt", rng(), in_channels=1, **SIZES).eval()


@pytest.fixture(scope="module")
def state(net):
    return to_torchvision(net)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_net_comes_back_from_torchvisions_layout(net, state, dtype):
    state = {name: tensor.to(dtype) for name, tensor in state.items()}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    back = from_torchvision(state)
    assert torch.equal(torch.get_rng_state(), before)
    assert back.config == net.config
    assert not back.training
    assert all(p.requires_grad and p.dtype == dtype for p in back.parameters())
    for (name, one), other in zip(net.state_dict().items(), back.state_dict().values()):
        assert torch.equal(one.to(dtype), other), name
    assert from_torchvision(state, dropout=0.1).dropout.p == 0.1


@pytest.mark.parametrize(("changes", "says"), [
    ({"activation": "tanh"}, "form of alexnet_owt: activation is tanh, not relu"),
    ({"pool": (2, 2)}, r"pool is \(2, 2\)"),
    ({"adaptive_pool": None}, "adaptive_pool is None, not 6"),
    ({"convs": change(OWT, 3, padding=0)}, "conv3's padding is 0, not 1"),
    ({"convs": change(OWT, 1, norm=True)}, "lrn is"),
])  # fmt: skip
def test_nets_that_torchvision_has_not_are_neither_written_nor_read(state, changes, says):
    with torch.device("meta"):
        odd = AlexNet.from_preset("alexnet_owt", in_channels=1, **SIZES | changes)
    with pytest.raises(ValueError, match=says):
        to_torchvision(odd)
    meta = {name: tensor.to("meta") for name, tensor in state.items()}
    with pytest.raises(ValueError, match=rf"{says}|must have shape"):
        load_torchvision(odd, meta)
    with pytest.raises(ValueError, match=says):
        from_torchvision(state, **changes)


@pytest.mark.parametrize(("preset", "changes", "says"), [
    ("alexnet", {}, "form of caffe_alexnet or caffenet: lrn is"),
    ("caffenet", {"lrn_groups": 2}, "lrn_groups is 2, not 1"),
    ("caffe_alexnet", {"activation": "tanh"}, "activation is tanh"),
    ("caffe_alexnet", {"convs": change(PAPER, 2, norm=False)}, "conv2's norm is False, not True"),
])  # fmt: skip
def test_nets_that_caffe_has_not_are_neither_written_nor_read(preset, changes, says):
    blobs = to_caffe(AlexNet.from_preset("caffenet", **SIZES))
    odd = AlexNet.from_preset(preset, **SIZES | changes)
    for call in (lambda: to_caffe(odd), lambda: load_caffe(odd, blobs)):
        with pytest.raises(ValueError, match=says):
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
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_state_dict_raises_a_value_error_or_fits(state, data):
    try:
        back = from_torchvision(broken(state, data))
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert all(not p.is_meta and p.is_leaf for p in back.parameters())


@pytest.mark.parametrize("state", [None, [], {}, 1, torch.zeros(2), {"a": 1}])
def test_what_is_no_state_dict_is_refused(state):
    with pytest.raises(ValueError, match="state_dict"):
        from_torchvision(state)


@pytest.mark.parametrize(("blobs", "says"), [
    (None, "got NoneType"), ({}, "must map layers"), ([1], "must map layers"),
    ({"conv1": [np.zeros(3)]}, "blobs of 'conv1' must be a weight and a bias"),
    ({"conv1": 3}, "blobs of 'conv1'"), ({"conv1": ["a", "b"]}, "blobs of 'conv1'"),
    ({"conv1": [np.zeros(()), np.zeros(())]}, r"conv1.weight must have shape .* got \(\)"),
    ({"conv1": [np.zeros((96, 3, 11, 11), complex), np.zeros(96)]}, "complex128"),
    ({1: [np.zeros(2), np.zeros(2)]}, "no 'conv1.weight'"),
    ({"fc6": [np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 1, 2))]}, "no 'conv1.weight'"),
])  # fmt: skip
def test_what_is_no_net_of_caffe_is_refused(blobs, says):
    with pytest.raises(ValueError, match=says):
        from_caffe(blobs)


def test_another_preset_of_caffe_is_refused():
    with pytest.raises(ValueError, match="preset must be 'caffe_alexnet' or 'caffenet', got 'alex"):
        from_caffe({}, "alexnet")


@pytest.mark.parametrize("init", ["paper", "he", "torch"])
def test_first_weights_are_drawn_from_the_generator(init):
    config = AlexNetConfig(PRESETS["small"].convs, (8, 8), 3, in_size=23, init=init)
    one, same, other = (AlexNet(config, rng(seed)).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not any(torch.equal(one[k], other[k]) for k in one if k.endswith("weight"))


def test_the_former_name_of_in_channels_is_taken():
    assert AlexNet.from_preset("small", in_chans=1).conv1.in_channels == 1


def test_statistics_of_another_kind_are_named(tmp_path):
    path = tmp_path / "statistics-28.safetensors"
    path.write_text("<html>")
    with pytest.raises(ValueError, match=r"statistics-28.safetensors is a web page; expected"):
        load_statistics(path)
    torch.save({"mean": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match="holds mean; expected mean, std, eigvecs, eigvals"):
        load_statistics(path)
