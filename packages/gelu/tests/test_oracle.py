"""Equality with torch.nn and with the activations of Hugging Face's transformers."""

import pytest
import torch
import transformers
from torch import nn
from transformers import BertConfig, BertModel, CLIPTextConfig, CLIPTextModel, LlamaConfig
from transformers.activations import ACT2FN
from transformers.models.llama.modeling_llama import LlamaMLP

from lessons.gelu import GELU, MODELS, NAMES, GatedFeedForward, SiLU, by_name

X = torch.linspace(-12, 12, 24_001, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(7,), (4, 7), (2, 3, 7), (2, 3, 4, 5), ()])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (GELU(), nn.GELU()),
        (GELU("tanh"), nn.GELU("tanh")),
        (GELU(method="by hand"), nn.GELU()),
        (GELU("tanh", method="by hand"), nn.GELU("tanh")),
        (GELU("tanh", method="readable"), nn.GELU("tanh")),
        (SiLU(), nn.SiLU()),
    ],
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_layers_equal_torchs_with_their_gradients(shape, ours, theirs, dtype, tolerance):
    generator = torch.Generator().manual_seed(0)
    x = (3 * torch.randn(shape, generator=generator, dtype=dtype)).clamp(-8, 8).requires_grad_()
    dy = torch.randn(shape, generator=generator, dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    outs = [layer(x) for layer in (ours, theirs)]
    assert (outs[0] - outs[1]).abs().max() <= tolerance
    gradients = [torch.autograd.grad(out, x, dy)[0] for out in outs]
    assert (gradients[0] - gradients[1]).abs().max() <= 10 * tolerance


@pytest.mark.parametrize("name", NAMES)
def test_names_mean_what_they_mean_in_transformers(name):
    # "gelu_fast" rounds √(2/π) to ten digits
    tolerance = 1e-12 if name == "gelu_fast" else 5e-15
    assert (by_name(name)(X) - ACT2FN[name](X)).abs().max() <= tolerance


def test_fast_and_quick_are_two_forms():
    difference = ACT2FN["gelu_fast"](X) - ACT2FN["quick_gelu"](X)
    assert difference.abs().max() == pytest.approx(0.02, abs=1e-3)


CONFIGS = {
    "bert": (transformers.BertConfig, "hidden_act"),
    "roberta": (transformers.RobertaConfig, "hidden_act"),
    "vit": (transformers.ViTConfig, "hidden_act"),
    "gpt2": (transformers.GPT2Config, "activation_function"),
    "clip": (transformers.CLIPTextConfig, "hidden_act"),
    "gemma": (transformers.GemmaConfig, "hidden_act"),
    "llama": (transformers.LlamaConfig, "hidden_act"),
}


@pytest.mark.parametrize("model", MODELS)
def test_released_models_use_what_their_configurations_say(model):
    name, gated = MODELS[model]
    if model == "t5-v1.1":
        config = transformers.T5Config(feed_forward_proj="gated-gelu")
        assert (config.dense_act_fn, config.is_gated_act) == (name, gated)
        return
    kind, key = CONFIGS[model]
    config = kind()
    said = getattr(config, "hidden_activation", None) or getattr(config, key)
    assert said == name
    assert gated == (model in ("gemma", "llama"))


def swap(net, act):
    """Put an activation of ours in place of each of theirs."""
    for module in net.modules():
        for attribute in ("intermediate_act_fn", "activation_fn"):
            if hasattr(module, attribute):
                setattr(module, attribute, act)


@pytest.mark.parametrize(
    ("kind", "config", "model", "wrong"),
    [
        (BertModel, BertConfig, "bert", "quick_gelu"),
        (CLIPTextModel, CLIPTextConfig, "clip", "gelu"),
    ],
)
def test_a_transformer_with_our_activation_gives_the_same_states(kind, config, model, wrong):
    torch.manual_seed(0)
    small = {"vocab_size": 99, "hidden_size": 32, "intermediate_size": 64, "projection_dim": 32}
    small |= {"num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.5}
    net = kind(config(**small)).double().eval()
    tokens = torch.arange(1, 21).view(2, 10)
    with torch.no_grad():
        want = net(tokens).last_hidden_state
        swap(net, by_name(MODELS[model][0]))
        assert (net(tokens).last_hidden_state - want).abs().max() < 1e-12
        swap(net, by_name(wrong))
        assert (net(tokens).last_hidden_state - want).abs().max() > 1e-4


def test_a_gated_layer_loads_llamas_weights():
    torch.manual_seed(0)
    theirs = LlamaMLP(LlamaConfig(hidden_size=32, intermediate_size=40)).double()
    ours = GatedFeedForward(32, 40).double()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 5, 32, dtype=torch.float64)
    assert (ours(x) - theirs(x)).abs().max() < 1e-14
