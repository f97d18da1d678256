"""Equality with peft and transformers: outputs, merged weights, files both ways, counts."""

import copy
import json

import peft
import pytest
import torch
import transformers
from torch import nn

from lessons.lora import (
    BERT_PRESETS,
    GPT2,
    GPT2_PRESETS,
    PRESETS,
    Bert,
    BertConfig,
    GPT2Config,
    LoRAConfig,
    adapted_layers,
    count_all,
    count_trainable,
    from_loralib,
    from_transformers,
    inject,
    load_lora,
    load_peft,
    lora_state_dict,
    merge_and_unload,
    save,
    save_peft,
    to_loralib,
)
from lessons.lora.exchange import config_from_peft

IDS = torch.tensor([[2, 3, 4, 5], [6, 7, 8, 9]])  # 0 and 1 are paddings


class Net(nn.Module):
    """One module of each kind that peft adapts."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.first = nn.Linear(8, 12)
        self.conv = nn.Conv1d(12, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, ids):
        x = self.first(self.words(ids))
        return self.head(torch.relu(self.conv(x.mT).mT))


def net():
    torch.manual_seed(0)
    return Net().eval()


def theirs_of(ours, **choices):
    """Return peft's model around a copy, A and B drawn."""
    config = peft.LoraConfig(r=3, lora_alpha=6, **choices)
    model = peft.get_peft_model(copy.deepcopy(ours), config).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name and "magnitude" not in name:
                parameter.normal_(0, 0.3)
            elif parameter.requires_grad:
                parameter += 0.1
    return model


CASES = {
    "linear": {"target_modules": ["first", "head"]},
    "embedding, linear and convolution": {"target_modules": ["words", "first", "conv"]},
    "rank-stabilized": {"target_modules": ["first"], "use_rslora": True},
    "dora": {"target_modules": ["first", "head"], "use_dora": True},
    "biases of adapted layers": {"target_modules": ["first"], "bias": "lora_only"},
    "all biases and a head": {
        "target_modules": ["first"], "bias": "all", "modules_to_save": ["head"],
    },
    "patterns": {
        "target_modules": ["first", "head"], "rank_pattern": {"head": 1},
        "alpha_pattern": {"first": 2},
    },
    "a regular expression": {"target_modules": "(first|he.*)"},
}  # fmt: skip


@pytest.mark.parametrize("choices", CASES.values(), ids=list(CASES))
def test_their_files_read_here_and_ours_read_there(choices, tmp_path):
    base = net()
    theirs = theirs_of(base, **choices)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_peft(copy.deepcopy(base), tmp_path / "theirs").eval()
    wanted = theirs(IDS)
    assert (wanted - base(IDS)).abs().max() > 0.01
    torch.testing.assert_close(ours(IDS), wanted, rtol=1e-5, atol=1e-6)
    assert count_trainable(ours) == sum(
        p.numel() for n, p in theirs.named_parameters()
        if p.requires_grad and "original_module" not in n
    )  # fmt: skip
    save_peft(ours, tmp_path / "ours")
    again = peft.PeftModel.from_pretrained(copy.deepcopy(base), tmp_path / "ours").eval()
    torch.testing.assert_close(again(IDS), wanted, rtol=1e-5, atol=1e-6)
    merged, their_merged = merge_and_unload(ours), theirs.merge_and_unload()
    for name, tensor in their_merged.state_dict().items():
        torch.testing.assert_close(merged.state_dict()[name], tensor, rtol=1e-5, atol=1e-6)
    assert list(merged.state_dict()) == list(base.state_dict())


def test_gpt2_of_transformers_with_a_shared_a_as_peft_has_it(tmp_path):
    base = gpt2_of_transformers()
    theirs = theirs_of(base, target_modules=["c_attn"], fan_in_fan_out=True)
    theirs.save_pretrained(tmp_path)
    ours = load_peft(copy.deepcopy(base), tmp_path)
    torch.testing.assert_close(ours(IDS).logits, theirs(IDS).logits, rtol=1e-5, atol=1e-6)
    host = GPT2(GPT2Config(19, 16, 12, 2, 3)).eval()
    host.load_state_dict(base.state_dict())
    torch.testing.assert_close(host(IDS), base(IDS).logits, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        load_peft(host, tmp_path)(IDS), theirs(IDS).logits, rtol=1e-5, atol=1e-6
    )


def gpt2_of_transformers():
    """Return a small model of theirs; each has a config of its own."""
    sizes = {"vocab_size": 19, "n_positions": 16, "n_embd": 12, "n_layer": 2, "n_head": 3}
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).eval()


def drawn(model):
    torch.manual_seed(2)
    with torch.no_grad():
        for _, layer in adapted_layers(model):
            for store in (layer.lora_A, layer.lora_B):
                for parameter in store.values():
                    parameter.normal_(0, 0.3)
    return model


@pytest.mark.parametrize("scaling", ["alpha/r", "alpha/sqrt(r)"])
def test_packed_pairs_are_one_pair_of_blocks_for_peft(tmp_path, scaling):
    base = gpt2_of_transformers()
    config = LoRAConfig(2, 8, ("c_attn",), enable=(True, False, True), scaling=scaling)
    ours = drawn(inject(copy.deepcopy(base), config))
    save_peft(ours, tmp_path)
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(base), tmp_path).eval()
    wanted = ours(IDS).logits
    torch.testing.assert_close(theirs(IDS).logits, wanted, rtol=1e-5, atol=1e-6)
    again = load_peft(base, tmp_path)(IDS).logits
    torch.testing.assert_close(again, wanted, rtol=1e-5, atol=1e-6)


def test_loralibs_files_computed_as_loralib_does(tmp_path):
    base = GPT2(GPT2Config(19, 16, 12, 2, 3), torch.Generator().manual_seed(0)).eval()
    config = LoRAConfig(2, 8, ("c_attn",), enable=(True, False, True))
    ours = drawn(inject(copy.deepcopy(base), config))
    state = to_loralib(ours)
    assert state["transformer.h.0.attn.c_attn.lora_A"].shape == (2 * 2, 12)
    assert state["transformer.h.0.attn.c_attn.lora_B"].shape == (2 * 12, 2)
    # loralib's MergedLinear: a grouped 1 x 1 convolution of A by B, padded with zeros for k.
    for i, block in enumerate(base.transformer["h"]):
        A, B = (state[f"transformer.h.{i}.attn.c_attn.lora_{each}"] for each in "AB")
        delta = nn.functional.conv1d(A[None], B[..., None], groups=2)[0]
        padded = torch.zeros(36, 12)
        padded[:12], padded[24:] = delta[:12], delta[12:]
        block.attn.c_attn.weight.data += (8 / 2) * padded.T
    torch.testing.assert_close(base(IDS), ours(IDS), rtol=1e-5, atol=1e-6)
    save(tmp_path / "lora.safetensors", state)
    torch.save(state, tmp_path / "lora.pt")
    from lessons.lora import load

    for name in ("lora.safetensors", "lora.pt"):
        fresh = GPT2(GPT2Config(19, 16, 12, 2, 3), torch.Generator().manual_seed(0)).eval()
        inject(fresh, config)
        from_loralib(fresh, load(tmp_path / name))
        torch.testing.assert_close(fresh(IDS), ours(IDS))


def test_the_encoders_are_transformers_own():
    kinds = {
        "BERT": (transformers.BertConfig, transformers.BertModel, {}),
        "RoBERTa": (
            transformers.RobertaConfig, transformers.RobertaModel,
            {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "first_position": 2},
        ),
    }  # fmt: skip
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    for kind, (config, model, changes) in kinds.items():
        sizes = {"vocab_size": 19, "hidden_size": 8, "num_hidden_layers": 2,
                 "num_attention_heads": 2, "intermediate_size": 16,
                 "max_position_embeddings": 12}  # fmt: skip
        extra = {k: v for k, v in changes.items() if k != "first_position"}
        torch.manual_seed(0)
        theirs = model(config(**sizes, **extra)).eval()
        ours = from_transformers(theirs.state_dict(), BertConfig(**sizes, **changes))
        ids = IDS.masked_fill(mask == 0, theirs.config.pad_token_id)
        want = theirs(ids, attention_mask=mask).last_hidden_state
        got = ours(ids, mask)
        torch.testing.assert_close(got[mask == 1], want[mask == 1], rtol=1e-4, atol=1e-5)
        # peft on theirs and our adapter on ours
        wrapped = theirs_of(theirs, target_modules=["query", "value"])
        inject(ours, LoRAConfig(3, 6, ("query", "value")))
        state = peft.get_peft_model_state_dict(wrapped)
        load_lora(ours, {k.removeprefix("base_model.model."): v for k, v in state.items()})
        want = wrapped(ids, attention_mask=mask).last_hidden_state
        torch.testing.assert_close(
            ours(ids, mask)[mask == 1], want[mask == 1], rtol=1e-4, atol=1e-5
        )
        assert {k for k, _ in lora_state_dict(ours).items()} == {
            k.removeprefix("base_model.model.") for k in state
        }, kind


def test_published_sizes_and_what_the_paper_adapts():
    # (host, of all, LoRA's trainable): verified with transformers and peft on the meta device.
    for name, whole in (("roberta-base", 124_645_632), ("roberta-large", 355_359_744),
                        ("minilm-l6", 22_713_216)):  # fmt: skip
        with torch.device("meta"):
            model = Bert(BERT_PRESETS[name])
        assert count_all(model) == whole, name
    wanted = {"roberta-base": 294_912, "roberta-large": 786_432}
    for name, number in wanted.items():
        with torch.device("meta"):
            assert count_trainable(inject(Bert(BERT_PRESETS[name]), PRESETS[name])) == number
    for name, whole, number, preset in (
        ("gpt2-medium", 354_823_168, 393_216, "gpt2-medium"),
        ("gpt2-large", 774_030_080, 737_280, "gpt2-large"),
        ("gpt3-175b", 174_604_259_328, 4_718_592, "gpt3-4.7m"),
        ("gpt3-175b", 174_604_259_328, 37_748_736, "gpt3-37.7m"),
    ):
        with torch.device("meta"):
            model = GPT2(GPT2_PRESETS[name])
            assert count_all(model) == whole, name
            assert count_trainable(inject(model, PRESETS[preset])) == number, name
    with torch.device("meta"):
        theirs = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_embd=1024, n_layer=24, n_head=16)
        )
    assert count_all(theirs) == 354_823_168


def test_what_does_not_fit_is_named_and_leaves_no_adapter(tmp_path):
    base = net()
    theirs_of(base, target_modules=["first"]).save_pretrained(tmp_path)
    state = lora_state_dict(load_peft(net(), tmp_path))
    model = inject(net(), LoRAConfig(2, 6, ("first",)))
    with pytest.raises(ValueError, match=r"first\.lora_A\.weight.*\(3, 8\), expected \(2, 8\)"):
        load_lora(model, state)
    with pytest.raises(ValueError, match=r"has no 'first\.lora_A\.weight'"):
        load_lora(model, {"other": torch.zeros(1)})
    model = inject(net(), LoRAConfig(3, 6, ("first",)))
    with pytest.raises(ValueError, match="1 tensors too many, the first is 'other'"):
        load_lora(model, state | {"other": torch.zeros(1)})
    with pytest.raises(ValueError, match="no adapter 'x'; the model has: default"):
        load_lora(model, state, "x")
    with pytest.raises(ValueError, match="bias must be"):
        lora_state_dict(model, bias="some")
    known = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(known | {"r": 4}))
    model = net()
    with pytest.raises(ValueError, match=r"\(3, 8\), expected \(4, 8\)"):
        load_peft(model, tmp_path)
    inject(model, LoRAConfig(2, 6, ("first",)))  # the name is free again
    for change, says in (({"peft_type": "IA3"}, "IA3"), ({"lora_bias": True}, "lora_bias")):
        with pytest.raises(ValueError, match=says):
            config_from_peft(known | change)
    with pytest.raises(ValueError, match="lacks r"):
        config_from_peft({k: v for k, v in known.items() if k != "r"})
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        load_peft(net(), tmp_path)
    with pytest.raises(OSError, match="adapter_config"):
        load_peft(net(), tmp_path / "nowhere")
