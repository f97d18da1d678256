"""Equality with Hugging Face's Mixtral block, and loading its weights."""

import pytest
import torch

from lessons.mixture_of_experts import SparseMoE, from_mixtral, load, save, to_mixtral

transformers = pytest.importorskip("transformers")


def block(act="silu", seed=0):
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = transformers.MixtralConfig(
        hidden_size=16, intermediate_size=24, num_local_experts=8, num_experts_per_tok=2,
        hidden_act=act, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip
    config._experts_implementation = "eager"
    found = MixtralSparseMoeBlock(config)
    for parameter in found.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3, generator=torch.Generator().manual_seed(seed))
    return found.eval()


def output(found):
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("dispatch", ["loop", "grouped", "padded"])
def test_mixtrals_block_is_eq_3_with_other_experts(dispatch):
    theirs = block()
    ours = from_mixtral(theirs.state_dict(), dispatch=dispatch)
    x = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = output(theirs(x))
        torch.testing.assert_close(ours(x)[0], want, rtol=1e-4, atol=1e-5)


def test_relu_experts_against_the_same_block():
    theirs = block("relu")
    generator = torch.Generator().manual_seed(2)
    ours = SparseMoE(15, 24, 8, 2, out=15, gate="topk", generator=generator)
    state = theirs.state_dict()
    # The last input is 1, and the "up" half reads it alone: relu(x W) · 1.
    up = torch.zeros(8, 48, 16)
    up[:, :24, :15] = ours.experts.weights[0].detach().transpose(1, 2)
    up[:, 24:, 15] = 1
    down = torch.zeros(8, 16, 24)
    down[:, :15] = ours.experts.weights[1].detach().transpose(1, 2)
    gate = torch.zeros(8, 16)
    gate[:, :15] = ours.gate.weight.detach().T
    state |= {"gate.weight": gate, "experts.gate_up_proj": up, "experts.down_proj": down}
    theirs.load_state_dict(state)
    x = torch.randn(9, 15, generator=generator)
    with torch.no_grad():
        want = output(theirs(torch.cat([x, torch.ones(9, 1)], 1)[None]))[0, :, :15]
        torch.testing.assert_close(ours(x)[0], want, rtol=1e-4, atol=1e-5)


def test_weights_go_there_and_back(tmp_path):
    state = block().state_dict()
    ours = from_mixtral(state)
    for name, tensor in to_mixtral(ours).items():
        torch.testing.assert_close(tensor, state[name])
    save(tmp_path / "block.safetensors", state)
    again = from_mixtral(load(tmp_path / "block.safetensors"))
    torch.testing.assert_close(again.experts.weights[0], ours.experts.weights[0])


def test_the_layout_of_files_is_read():
    state = block().state_dict()
    names = {"block_sparse_moe.gate.weight": state["gate.weight"]}
    for i in range(8):
        up, down = state["experts.gate_up_proj"][i], state["experts.down_proj"][i]
        names |= {
            f"block_sparse_moe.experts.{i}.w1.weight": up[:24],
            f"block_sparse_moe.experts.{i}.w3.weight": up[24:],
            f"block_sparse_moe.experts.{i}.w2.weight": down,
        }
    ours, theirs = from_mixtral(names), from_mixtral(state)
    for a, b in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(a, b)
    del names["block_sparse_moe.experts.3.w3.weight"]
    with pytest.raises(ValueError, match=r"missing experts\.3\.w3\.weight"):
        from_mixtral(names)


def test_bad_state_dicts_are_refused(tmp_path):
    state = block().state_dict()
    with pytest.raises(ValueError, match=r"missing gate\.weight"):
        from_mixtral({k: v for k, v in state.items() if k != "gate.weight"})
    with pytest.raises(ValueError, match="unexpected extra"):
        from_mixtral(state | {"extra": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"gate\.weight is \(16, 4\), expected \(16, 8\)"):
        from_mixtral(state | {"gate.weight": torch.zeros(4, 16)})
    with pytest.raises(ValueError, match="SwiGLU"):
        to_mixtral(SparseMoE(4, 8, 4, 2))
    (tmp_path / "bad.safetensors").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"bad\.safetensors holds no weights"):
        load(tmp_path / "bad.safetensors")
