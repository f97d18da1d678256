"""Weights: strict, both layouts, files that are damaged."""

import dataclasses

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lessons.gpt_2 import (
    GPT2,
    GPT2Config,
    from_hugging_face,
    from_openai,
    load,
    save,
    to_hugging_face,
    to_openai,
)

SMALL = GPT2Config(vocab_size=9, n_positions=6, n_embd=8, n_layer=2, n_head=2)


def model(**changes):
    return GPT2(dataclasses.replace(SMALL, **changes), torch.Generator().manual_seed(0)).eval()


STATE, VARIABLES = to_hugging_face(model()), to_openai(model())


def test_what_is_missing_or_too_much_is_named():
    cases = [
        ("transformer.h.1.mlp.c_fc.bias", None, "no 'transformer.h.1.mlp.c_fc.bias'"),
        ("transformer.h.0.extra", torch.zeros(1), "1 tensors too many, the first is .*extra"),
        ("transformer.h.1.attn.c_proj.weight", torch.zeros(8, 9), r"must have shape \(8, 8\)"),
        ("transformer.ln_f.weight", torch.zeros(8).long(), "must hold floats"),
        ("transformer.h.1.ln_1.weight", None, "tensors too many"),
        ("transformer.wpe.weight", None, "expected a tensor 'transformer.wpe.weight'"),
        ("transformer.h.0.attn.c_attn.weight", torch.zeros(8), "must have 2 dimensions"),
    ]
    for name, tensor, text in cases:
        state = {k: v for k, v in STATE.items() if k != name}
        if tensor is not None:
            state[name] = tensor
        with pytest.raises(ValueError, match=text):
            from_hugging_face(state, n_head=2)
    with pytest.raises(ValueError, match="n_head is needed: n_embd=8 is no multiple of 64"):
        from_hugging_face(STATE)
    with pytest.raises(ValueError, match="n_layer is told by the tensors"):
        from_hugging_face(STATE, n_head=2, n_layer=2)
    with pytest.raises(TypeError, match="GPT2Config has no 'dropout'"):
        from_hugging_face(STATE, n_head=2, dropout=0.1)
    with pytest.raises(ValueError, match=r"shape \(1, inputs, outputs\), got \(8, 24\)"):
        from_openai({k: v[0] if k.endswith("c_attn/w") else v for k, v in VARIABLES.items()})
    for to in (to_hugging_face, to_openai):
        with pytest.raises(ValueError, match="the model 'post'"):
            to(model(norm="post"))


def test_what_the_shapes_do_not_say_is_given():
    net = from_hugging_face(to_hugging_face(model(n_inner=12)), n_head=4, resid_pdrop=0.0)
    assert (net.config.n_head, net.config.n_inner, net.config.resid_pdrop) == (4, 12, 0.0)
    assert not net.training


def test_a_new_model_shares_no_memory():
    net = from_hugging_face(STATE, n_head=2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    assert all(STATE[f"transformer.h.{i}.attn.c_attn.weight"].any() for i in range(2))
    assert STATE["transformer.wte.weight"].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_types_are_kept(dtype):
    net = from_openai({k: v.to(dtype) for k, v in VARIABLES.items()}, n_head=2)
    assert {p.dtype for p in net.parameters()} == {dtype}


def test_files_read_back(tmp_path):
    net = model()
    save(tmp_path / "a.safetensors", net.state_dict())
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}},
               tmp_path / "b.pt")  # fmt: skip
    for name in ("a.safetensors", "b.pt"):
        twin = model(initializer_range=1.0)
        twin.load_state_dict(load(tmp_path / name))
        x = torch.arange(6)[None]
        assert torch.equal(twin(x), net(x))
    for content, text in ((b"", "is empty"), (b"<html>", "a web page"), (b"\x80\x02x", "damaged")):
        (tmp_path / "c").write_bytes(content)
        with pytest.raises(ValueError, match=text):
            load(tmp_path / "c")
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "c").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load(tmp_path / "c")


@given(data=st.data())
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_state_dict_loads_or_raises_a_value_error(data):
    draw = data.draw
    read, state = draw(
        st.sampled_from([(from_hugging_face, dict(STATE)), (from_openai, dict(VARIABLES))])
    )
    for name in draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=2, unique=True)):
        tensor = state.pop(name)
        other = draw(st.sampled_from([
            None, tensor, tensor[:0], tensor[..., :1], tensor.double(), tensor.int(), tensor[None],
            tensor.to_sparse(), tensor.to("meta"), torch.tensor(1.0), tensor.bool(),
            tensor.to(torch.complex64), "text",
        ]))  # fmt: skip
        where = draw(st.sampled_from([name, name + "_", name.replace("0", "7"), "lm_head.weight"]))
        if other is not None:
            state[where] = other
    try:
        read(state, n_head=2)
    except ValueError as error:
        assert str(error)  # noqa: PT017
