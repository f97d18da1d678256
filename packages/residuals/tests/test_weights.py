"""Layouts of others: what they cannot hold, and state dicts that are none of theirs."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.residuals import (
    CifarResNet,
    ResNet,
    ResNetConfig,
    from_hf,
    from_timm,
    from_torchvision,
    load_hf,
    load_timm,
    load_torchvision,
    to_hf,
    to_timm,
    to_torchvision,
)

LAYOUTS = {
    "torchvision": ("resnet18", from_torchvision, load_torchvision, to_torchvision),
    "timm": ("preact_resnet18", from_timm, load_timm, to_timm),
    "hf": ("resnet18", from_hf, load_hf, to_hf),
}
SMALL = {"layers": (1, 1, 1, 1), "num_classes": 3, "in_channels": 1}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def nets():
    return {name: ResNet.from_preset(preset, rng(), **SMALL).eval()
            for name, (preset, *_) in LAYOUTS.items()}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_net_comes_back_from_each_layout(nets, layout, dtype):
    _, from_, _, to = LAYOUTS[layout]
    net = nets[layout]
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in to(net).items()}
    torch.manual_seed(1)
    before = torch.get_rng_state()
    back = from_(state)
    assert torch.equal(torch.get_rng_state(), before)
    assert back.config == net.config
    assert not back.training
    assert all(p.requires_grad and p.dtype == dtype for p in back.parameters())
    for (name, one), other in zip(net.state_dict().items(), back.state_dict().values()):
        assert torch.equal(one.to(other.dtype), other), name
    memory = {tensor.data_ptr() for tensor in state.values()}
    assert not memory & {p.data_ptr() for p in back.parameters()}


def test_half_precision_with_wide_norms_becomes_wide(nets):
    state = to_torchvision(nets["torchvision"])
    mixed = {k: v.half() if v.ndim == 4 else v for k, v in state.items()}
    assert {p.dtype for p in from_torchvision(mixed).parameters()} == {torch.float32}


@pytest.mark.parametrize(("layout", "changes", "says"), [
    ("torchvision", {"shortcut": "C"}, "shortcut='C'; expected 'B'"),
    ("torchvision", {"shortcut": "A"}, "shortcut='A'"),
    ("torchvision", {"residual": False}, "residual=False"),
    ("torchvision", {"block": "preact_basic"}, "block='preact_basic'"),
    ("timm", {"block": "basic"}, "expected 'preact_basic' or 'preact_bottleneck'"),
])  # fmt: skip
def test_nets_that_a_layout_has_not_are_neither_written_nor_read(nets, layout, changes, says):
    preset, from_, load_into, to = LAYOUTS[layout]
    with torch.device("meta"):
        odd = ResNet.from_preset(preset, **SMALL | changes)
        state = {k: v.to("meta") for k, v in to(nets[layout]).items()}
    with pytest.raises(ValueError, match=says):
        to(odd)
    if "block" not in changes:  # where the shapes are the same, nothing else would say so
        with pytest.raises(ValueError, match=f"{says}|tensors too many|state_dict has no"):
            load_into(odd, state)
        with pytest.raises(ValueError, match=says):
            from_(state, **changes)


@pytest.mark.parametrize(("changes", "from_", "load_into", "to", "says"), [
    ({"stride_in_1x1": True}, from_torchvision, load_torchvision, to_torchvision, "torchvision"),
    ({"dilate": (False, False, True)}, from_hf, load_hf, to_hf, "Hugging Face has no nets"),
])  # fmt: skip
def test_strides_and_dilations_leave_no_trace_and_are_refused(changes, from_, load_into, to, says):
    with torch.device("meta"):
        plain = ResNet.from_preset("resnet50", **SMALL)
        odd = ResNet.from_preset("resnet50", **SMALL | changes)
        for call in (
            lambda: to(odd), lambda: load_into(odd, to(plain)), lambda: from_(to(plain), **changes)
        ):  # fmt: skip
            with pytest.raises(ValueError, match=says):
                call()
        assert from_hf(to_hf(plain), stride_in_1x1=True).config.stride_in_1x1


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


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_state_dict_raises_a_value_error_or_fits(nets, layout, data):
    _, from_, _, to = LAYOUTS[layout]
    state = broken(to(nets[layout]), data)
    try:
        net = from_(state)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert all(not p.is_meta and p.is_leaf for p in (*net.parameters(), *net.buffers()))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("state", [None, [], {}, 1, torch.zeros(2), {"a": 1}])
def test_what_is_no_state_dict_is_refused(layout, state):
    with pytest.raises(ValueError, match="state_dict"):
        LAYOUTS[layout][1](state)


def test_weights_are_drawn_from_the_generator():
    makes = (
        lambda g: ResNet.from_preset("resnet18", g, **SMALL),
        lambda g: ResNet(ResNetConfig("preact_basic", (1, 1, 1, 1)), g),
        lambda g: CifarResNet.from_preset("cifar_resnet20", g),
    )
    for make in makes:
        one, same, other = (make(rng(seed)) for seed in (3, 3, 4))
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
        assert not torch.equal(one.conv1.weight, other.conv1.weight)
        assert not torch.equal(one.fc.weight, other.fc.weight)
        assert one.fc.weight.abs().max() <= one.fc.in_features**-0.5


def test_the_former_name_of_in_channels_is_taken():
    with torch.device("meta"):
        assert ResNet.from_preset("resnet18", in_chans=1).config.in_channels == 1
        assert CifarResNet.from_preset("cifar_resnet20", in_chans=2).conv1.in_channels == 2
