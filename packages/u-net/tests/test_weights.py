"""Layouts of others: what they cannot hold, and state dicts that are none of theirs."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.u_net import (
    SlidingWindow,
    UNet,
    UNetConfig,
    from_brain,
    from_milesial,
    from_release,
    load_brain,
    load_milesial,
    load_release,
    to_brain,
    to_milesial,
    to_release,
)

NARROW = (2, 3, 4, 5, 6)
BILINEAR = {"up": "bilinear", "channels": (2, 4, 6, 8, 8)}
LAYOUTS = {
    "release": ("unet_release", {"last_up_channels": 4}, from_release, load_release, to_release),
    "milesial": ("unet_milesial", {}, from_milesial, load_milesial, to_milesial),
    "bilinear": ("unet_milesial", BILINEAR, from_milesial, load_milesial, to_milesial),
    "brain": ("unet_brain", {}, from_brain, load_brain, to_brain),
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def make(layout, **changes):
    preset, sizes, *_ = LAYOUTS[layout]
    sizes = {"channels": NARROW, "num_classes": 3, "in_channels": 2} | sizes | changes
    return UNet.from_preset(preset, rng(), **sizes).eval()


@pytest.fixture(scope="module")
def nets():
    return {layout: make(layout) for layout in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_net_comes_back_from_each_layout(nets, layout, dtype):
    from_, _, to = LAYOUTS[layout][2:]
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
    assert from_(state, dropout=0.25).config.dropout == 0.25


@pytest.mark.parametrize("channels", [(2, 3), (2, 3, 4), (2, 2, 3, 3, 4, 4)])
@pytest.mark.parametrize("layout", ["release", "milesial", "brain"])
def test_other_depths_come_back_too(layout, channels):
    net = make(layout, channels=channels)
    back = LAYOUTS[layout][2](LAYOUTS[layout][4](net))
    assert back.config == net.config
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), back.parameters()))


@pytest.mark.parametrize(("layout", "changes", "says"), [
    ("release", {"upconv_relu": False}, "has no nets with upconv_relu=False; expected True"),
    ("release", {"padding": "same"}, "padding='same'"),
    ("release", {"norm": "batch"}, "norm='batch'"),
    ("milesial", {"padding": "valid"}, "milesial's layout has no nets with padding='valid'"),
    ("milesial", {"upconv_relu": True}, "upconv_relu=True"),
    ("milesial", {"skips": False}, "skips=False"),
    ("bilinear", {"padding": "valid"}, "padding='valid'"),
    ("brain", {"padding": "valid"}, "torch hub's layout has no nets with padding='valid'"),
    ("brain", {"up": "upsample_conv"}, "up='upsample_conv'; expected 'transpose'"),
])  # fmt: skip
def test_nets_that_a_layout_has_not_are_neither_written_nor_read(nets, layout, changes, says):
    from_, load_into, to = LAYOUTS[layout][2:]
    odd = make(layout, **changes)
    with pytest.raises(ValueError, match=says):
        to(odd)
    with pytest.raises(ValueError, match=rf"{says}|state_dict has|must have shape"):
        load_into(odd, to(nets[layout]))
    with pytest.raises(ValueError, match=says):
        from_(to(nets[layout]), **changes)


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
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_state_dict_raises_a_value_error_or_fits(nets, layout, data):
    from_, _, to = LAYOUTS[layout][2:]
    try:
        back = from_(broken(to(nets[layout]), data))
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert all(not p.is_meta and p.is_leaf for p in (*back.parameters(), *back.buffers()))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("state", [None, [], {}, 1, torch.zeros(2), {"a": "b"}, {"a": [[1], 2]}])
def test_what_is_no_state_dict_is_refused(layout, state):
    with pytest.raises(ValueError, match=r"state_dict|arrays must map|must be an array|'a'"):
        LAYOUTS[layout][2](state)


def test_another_number_of_classes_is_said(nets):
    with pytest.raises(ValueError, match=r"outc.conv.weight.* num_classes is 5 here and 3 there"):
        load_milesial(make("milesial", num_classes=5), to_milesial(nets["milesial"]))


def test_the_former_name_of_num_classes_is_taken():
    assert UNetConfig(out_channels=7).num_classes == 7
    assert UNet.from_preset("unet_small", out_channels=7).score.out_channels == 7


def test_windows_have_the_norms_that_they_are_asked_for():
    net = SlidingWindow(UNetConfig(channels=(2, 3), norm="batch", dropout=0.0), rng())
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=rng(1))
            module.running_var.uniform_(0.5, 2, generator=rng(2))
    net = net.double().eval()
    image = torch.randn(1, 1, 16, 17, dtype=torch.float64, generator=rng(3))
    windows = image[0].unfold(1, net.window, 1).unfold(2, net.window, 1)
    expected = net(windows.flatten(1, 2).movedim(1, 0).contiguous())
    assert np.allclose(
        net.dense(image)[0].flatten(1).T.detach(), expected.detach(), rtol=1e-10, atol=1e-12
    )
