"""Adapters in whole models: injected, switched, mixed, merged; tied weights; bad input."""

import copy
import pickle

import pytest
import torch
from torch import nn

from lessons.lora import (
    GPT2,
    Bert,
    BertConfig,
    Classifier,
    GPT2Config,
    LoRAConfig,
    LoRALinear,
    adapted_layers,
    adapter_per_sample,
    adapters,
    add_weighted_adapter,
    count_trainable,
    disable_adapters,
    enable_input_require_grads,
    inject,
    load_lora,
    lora_state_dict,
    merge,
    merge_and_unload,
    set_adapter,
    unload,
    unmerge,
)

SMALL = GPT2Config(19, 16, 12, 2, 3)
IDS = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 1, 2, 18]])
QV = (True, False, True)


def gpt(seed=0):
    return GPT2(SMALL, torch.Generator().manual_seed(seed)).double().eval()


def drawn(model, seed=1, size=0.3):
    """Return the model, its active adapters' A and B drawn."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, layer in adapted_layers(model):
            for store in (layer.lora_A, layer.lora_B):
                for name in layer.active:
                    if name in store:
                        store[name].normal_(0, size, generator=generator)
    return model


def two():
    """Return a model with adapters "one" and "two", and what it gives with none, either, both."""
    model = gpt()
    plain = model(IDS)
    inject(model, LoRAConfig(2, 4, ("c_attn", "c_fc")), "one")
    one = drawn(model, 1)(IDS)
    inject(model, LoRAConfig(3, 3, ("c_attn", "attn.c_proj")), "two")
    second = drawn(model, 2)(IDS)
    set_adapter(model, ("one", "two"))
    return model, plain, one, second, model(IDS)


def test_injecting_changes_no_output_and_freezes_all_but_a_and_b():
    model = gpt()
    before, names = model(IDS), set(model.state_dict())
    assert inject(model, LoRAConfig(2, None, ("c_attn",), enable=QV)) is model
    assert torch.equal(model(IDS), before)
    free = {n for n, p in model.named_parameters() if p.requires_grad}
    assert free
    assert all(".lora_A." in n or ".lora_B." in n for n in free)
    assert count_trainable(model) == 2 * 2 * 2 * 12 * 2, "2 L d r: two matrices, two layers"
    drawn(model)
    assert not torch.allclose(model(IDS), before)
    assert set(merge_and_unload(model).state_dict()) == names


def test_training_moves_the_adapter_alone_and_lowers_the_loss():
    model = gpt().float()
    with torch.no_grad():  # larger, so that frozen outputs can tell tokens apart
        model.lm_head.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(3))
    start = copy.deepcopy(model.state_dict())
    inject(model, LoRAConfig(2, 4, ("c_attn", "c_fc")), generator=torch.Generator().manual_seed(0))
    model.train()
    free = [p for p in model.parameters() if p.requires_grad]
    optimizer, losses = torch.optim.AdamW(free, 0.05, weight_decay=0.1), []
    for _ in range(30):
        logits = model(IDS[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), IDS[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    for name, tensor in unload(model).state_dict().items():
        assert torch.equal(tensor, start[name]), name


def test_merging_a_whole_model_changes_no_output_and_costs_no_operation():
    from torch.utils.flop_counter import FlopCounterMode

    model = gpt()
    counts = []
    for _ in ("plain", "unmerged", "merged"):
        with FlopCounterMode(display=False) as counter:
            y = model(IDS)
        counts.append(counter.get_total_flops())
        if len(counts) == 1:
            drawn(inject(model, LoRAConfig(2, 4, ("c_attn", "c_fc"))))
        elif len(counts) == 2:
            unmerged = y
            merge(model)
    assert counts[1] > counts[0] == counts[2]
    torch.testing.assert_close(y, unmerged, rtol=1e-12, atol=1e-12)
    unmerge(model)
    torch.testing.assert_close(model(IDS), unmerged, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merge_and_unload(model)(IDS), unmerged, rtol=1e-12, atol=1e-12)


def test_several_adapters_switch_add_and_are_disabled():
    model, plain, one, second, both = two()
    set_adapter(model, "one")
    assert torch.equal(model(IDS), one)
    set_adapter(model, "two")
    assert torch.equal(model(IDS), second)
    with disable_adapters(model):
        assert torch.equal(model(IDS), plain)
    assert torch.equal(model(IDS), second)
    set_adapter(model, ())
    assert torch.equal(model(IDS), plain)
    set_adapter(model, ("two", "one"))
    torch.testing.assert_close(model(IDS), both)
    merge(model)
    torch.testing.assert_close(model(IDS), both)


def test_only_active_adapters_learn():
    model, *_ = two()
    set_adapter(model, "two")
    free = {n for n, p in model.named_parameters() if p.requires_grad}
    assert free
    assert all(n.endswith(".two") for n in free)


def test_each_sample_of_a_batch_may_have_its_own_adapter():
    model, plain, one, second, _ = two()
    with adapter_per_sample(model, ["two", None, "one"]):
        y = model(IDS)
    torch.testing.assert_close(y[0], second[0])
    torch.testing.assert_close(y[1], plain[1])
    torch.testing.assert_close(y[2], one[2])
    assert not torch.allclose(model(IDS), y), "afterwards all is as before"
    with adapter_per_sample(model, ["one"]), pytest.raises(ValueError, match=r"\(1\).*\(3\)"):
        model(IDS)
    with pytest.raises(ValueError, match="no adapter 'three'; the model has: one, two"):
        adapter_per_sample(model, ["three"]).__enter__()


def test_a_weighted_sum_of_adapters_is_exact_and_cut_to_the_nearest():
    model, *_ = two()
    deltas = {
        path: sum(w * layer.delta(n) for n, w in (("one", 0.7), ("two", -2.0)) if n in layer.lora_A)
        for path, layer in adapted_layers(model)
    }
    add_weighted_adapter(model, {"one": 0.7, "two": -2.0}, "sum")
    for path, layer in adapted_layers(model):
        torch.testing.assert_close(layer.delta("sum"), deltas[path])
    add_weighted_adapter(model, {"one": 0.7, "two": -2.0}, "cut", rank=1)
    for path, layer in adapted_layers(model):
        # Eckart and Young: the error of the best rank 1 is the root of the other squares' sum.
        tail = torch.linalg.svdvals(deltas[path])[1:].square().sum().sqrt()
        error = (layer.delta("cut") - deltas[path]).norm()
        torch.testing.assert_close(error, tail)
    y = model(IDS)
    torch.testing.assert_close(merge_and_unload(model)(IDS), y)


def test_biases_and_heads_are_trained_as_asked():
    def net(bias):
        bert = Bert(BertConfig(19, 8, 1, 2, 16, 12), torch.Generator().manual_seed(0))
        model = Classifier(bert, 3, torch.Generator().manual_seed(0)).eval()
        config = LoRAConfig(2, 2, ("query",), bias=bias, modules_to_save=("classifier",))
        return inject(model, config, generator=torch.Generator().manual_seed(0))

    counts = {}
    for bias in ("none", "lora_only", "all"):
        model = net(bias)
        counts[bias] = count_trainable(model)
        state = lora_state_dict(model)
        assert sum(t.numel() for t in state.values()) == counts[bias]
    head, pair = 3 * 8 + 3, 2 * 8 * 2
    biases = sum(p.numel() for n, p in Bert(BertConfig(19, 8, 1, 2, 16, 12)).named_parameters()
                 if n.endswith("bias"))  # fmt: skip
    assert counts == {"none": head + pair, "lora_only": head + pair + 8,
                      "all": head + pair + biases}  # fmt: skip
    model = net("none")
    before = model(IDS)
    with torch.no_grad():
        model.classifier.copies["default"].bias += 1
    torch.testing.assert_close(model(IDS), before + 1)
    with disable_adapters(model):
        torch.testing.assert_close(model(IDS), before)
    with pytest.raises(ValueError, match="modules_to_save"):
        adapter_per_sample(model, [None] * 3).__enter__()
    merged = merge_and_unload(copy.deepcopy(model))
    torch.testing.assert_close(merged(IDS), before + 1)
    assert isinstance(merged.classifier, nn.Linear)
    torch.testing.assert_close(unload(model)(IDS), before)


def test_a_tied_weight_is_refused_or_untied():
    model = gpt()
    with pytest.raises(ValueError, match=r"wte\.weight is lm_head\.weight as well.*untie"):
        inject(model, LoRAConfig(2, 4, ("wte",)))
    assert not list(adapted_layers(model)), "the model is as it was"
    assert not adapters(model)
    for target in ("wte", "lm_head"):
        model = gpt()
        plain = model(IDS)
        inject(model, LoRAConfig(2, 4, (target,), tied="untie"))
        assert torch.equal(model(IDS), plain)
        y = drawn(model)(IDS)
        assert not torch.allclose(y, plain)
        # What merging in a tied weight gets wrong: both sides would move.
        merged = merge_and_unload(model)
        torch.testing.assert_close(merged(IDS), y)
        assert merged.lm_head.weight is not merged.transformer["wte"].weight


def test_an_error_leaves_tied_weights_tied_and_free():
    model = gpt()
    with pytest.raises(ValueError, match=r"r \(13\) must be at most 12"):
        inject(model, LoRAConfig(2, 4, ("wte", "c_fc"), tied="untie", rank_pattern={"c_fc": 13}))
    assert model.lm_head.weight is model.transformer["wte"].weight
    assert all(p.requires_grad for p in model.parameters())


def test_enable_is_never_passed_over():
    for first, then in ((None, QV), (QV, None), (QV, (True, True, False))):
        model = inject(gpt(), LoRAConfig(2, 4, ("c_attn",), enable=first), "one")
        with pytest.raises(ValueError, match="has been adapted with enable"):
            inject(model, LoRAConfig(2, 4, ("c_attn",), enable=then), "two")
        assert list(adapters(model)) == ["one"]
        assert all(layer.names == ["one"] for _, layer in adapted_layers(model))
    encoder = nn.TransformerEncoderLayer(12, 2, 16, batch_first=True)
    inject(encoder, LoRAConfig(2, 4, ("self_attn",), enable=QV), "one")
    inject(encoder, LoRAConfig(2, 4, ("self_attn",)), "two")  # q and v there
    for module in (nn.Embedding(12, 6), nn.Conv1d(3, 6, 2)):
        with pytest.raises(ValueError, match="enable is for packed linear layers"):
            inject(nn.ModuleDict({"x": module}), LoRAConfig(2, 4, ("x",), enable=QV))


def test_all_linear_leaves_the_output_layer_and_takes_attention():
    model = inject(gpt(), LoRAConfig(2, 4, "all-linear"))
    assert {p.rpartition(".")[2] for p, _ in adapted_layers(model)} == {"c_attn", "c_fc", "c_proj"}
    bert = Bert(BertConfig(19, 8, 1, 2, 16, 12))
    model = inject(Classifier(bert, 3), LoRAConfig(2, 4, "all-linear"))
    found = [path for path, _ in adapted_layers(model)]
    assert "bert.encoder.layer.0.attention.self.query" in found
    assert "classifier" not in found
    layer = nn.TransformerEncoderLayer(12, 2, 16, 0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 1).eval()
    x = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(0))
    inject(encoder, LoRAConfig(2, 4, "all-linear"))
    found = {path.removeprefix("layers.0."): layer for path, layer in adapted_layers(encoder)}
    assert set(found) == {"self_attn", "self_attn.out_proj", "linear1", "linear2"}
    assert found["self_attn"].enable == (True, True, True)
    y = drawn(encoder)(x)
    torch.testing.assert_close(merge_and_unload(encoder)(x), y)


def test_patterns_that_match_nothing_and_alpha_that_is_each_r():
    for name in ("rank_pattern", "alpha_pattern"):
        with pytest.raises(ValueError, match=f"{name}: no target is called 'c_fcc'"):
            inject(gpt(), LoRAConfig(2, 4, ("c_fc",), **{name: {"c_fcc": 3}}))
    model = inject(gpt(), LoRAConfig(2, None, ("c_fc", "c_attn"), rank_pattern={"c_fc": 8}))
    assert {layer.scaling["default"] for _, layer in adapted_layers(model)} == {1.0}


def test_nothing_is_saved_or_loaded_while_merged():
    model, *_ = two()
    whole, own = model.state_dict(), lora_state_dict(model, "one")
    merge(model)
    for act in (
        model.state_dict, lambda: model.load_state_dict(whole),
        lambda: lora_state_dict(model, "one"), lambda: load_lora(model, own, "one"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="is merged"):
            act()
    unmerge(model)
    assert list(model.state_dict()) == list(whole)


def test_a_model_that_is_itself_one_layer():
    with pytest.raises(ValueError, match=r"itself one Linear.*nn\.Sequential"):
        inject(nn.Linear(4, 4), LoRAConfig(1, 1, "all-linear"))


def test_a_module_that_stands_in_two_places_is_adapted_in_both():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    inject(model, LoRAConfig(1, 1, ("0",)))
    assert model[0] is model[2]
    assert isinstance(model[0], LoRALinear)
    assert isinstance(merge_and_unload(model)[2], nn.Linear)


def test_copies_and_pickles_of_whole_models():
    model, *_, both = two()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(IDS), both)
        assert list(adapters(other)) == ["one", "two"]
        merge(other)
        assert torch.equal(model(IDS), both), "the first one is untouched"


def test_targets_by_regular_expression_patterns_and_all_linear():
    model = gpt()
    config = LoRAConfig(
        2, 4, r"transformer\.h\.1\..*c_proj", rank_pattern={"mlp.c_proj": 3},
        alpha_pattern={r"h\.\d\.attn\.c_proj": 8.0},
    )  # fmt: skip
    inject(model, config)
    found = {p: (len(layer.lora_A["default"]), layer.scaling["default"])
             for p, layer in adapted_layers(model)}  # fmt: skip
    assert found == {"transformer.h.1.attn.c_proj": (2, 4.0),
                     "transformer.h.1.mlp.c_proj": (3, 4 / 3)}  # fmt: skip
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    inject(model, LoRAConfig(1, 1, "all-linear"))
    assert [p for p, _ in adapted_layers(model)] == ["0", "2"]


def test_checkpointing_with_frozen_embeddings():
    for reentrant in (False, True):
        net = inject(gpt().float(), LoRAConfig(2, 4, ("c_attn",)))
        drawn(net)
        hook = enable_input_require_grads(net)
        x = net.embed(IDS)
        assert x.requires_grad
        for block in net.transformer["h"]:
            x = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=reentrant)
        x.sum().backward()
        assert all(p.grad is not None for p in net.parameters() if p.requires_grad)
        hook.remove()
    plain, kept = gpt().float(), GPT2(
        GPT2Config(19, 16, 12, 2, 3, gradient_checkpointing=True), torch.Generator().manual_seed(0)
    )  # fmt: skip
    grads = []
    for net in (plain, kept):
        inject(net, LoRAConfig(2, 4, ("c_attn",)))
        drawn(net).train()(IDS).square().sum().backward()
        grads.append([p.grad for p in net.parameters() if p.requires_grad])
    torch.testing.assert_close(grads[0], grads[1])


def test_a_whole_model_compiles():
    model = inject(gpt().float(), LoRAConfig(2, 4, ("c_attn",), enable=QV))
    drawn(model)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(IDS), model(IDS))


def test_on_the_meta_device_with_biases_counted():
    with torch.device("meta"):
        model = inject(GPT2(SMALL), LoRAConfig(1, 1, ("c_attn",), enable=QV))
    assert count_trainable(model) == 2 * 2 * 2 * 12


@pytest.mark.parametrize(
    ("config", "error", "says"),
    [
        (LoRAConfig(2, 2, ("query",)), ValueError, "match nothing; there are: c_attn, c_fc"),
        (LoRAConfig(2, 2, ("ln_1",)), TypeError, "LayerNorm"),
        (LoRAConfig(13, 2, ("c_attn",)), ValueError, "r \\(13\\) must be at most 12"),
        (LoRAConfig(2, 2, ("c_attn",), enable=(True,) * 5), ValueError, "5.*must divide"),
        (LoRAConfig(2, 2, ("c_fc",), modules_to_save=("head",)), ValueError, "no head"),
    ],
)
def test_wrong_targets_leave_the_model_as_it_was(config, error, says):
    model = gpt()
    before, names = model(IDS), list(model.state_dict())
    with pytest.raises(error, match=says):
        inject(model, config)
    assert list(model.state_dict()) == names
    assert not adapters(model)
    assert torch.equal(model(IDS), before)
    assert all(p.requires_grad for p in model.parameters())


def test_wrong_orders_are_refused():
    model, *_ = two()
    with pytest.raises(ValueError, match="has an adapter 'one' already"):
        inject(model, LoRAConfig(2, 2, ("c_attn",)), "one")
    with pytest.raises(ValueError, match="no adapter 'three'; the model has: one, two"):
        set_adapter(model, "three")
    with pytest.raises(RuntimeError, match="nothing is merged"):
        unmerge(model)
    with pytest.raises(ValueError, match="must name an adapter"):
        add_weighted_adapter(model, {}, "x")
    merge(model)
    for act in (
        lambda: merge(model), lambda: set_adapter(model, "one"), lambda: unload(model),
        lambda: inject(model, LoRAConfig(2, 2, ("c_fc",)), "three"),
        lambda: disable_adapters(model).__enter__(),
        lambda: adapter_per_sample(model, ["one"]).__enter__(),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"one, two is merged at .*unmerge first"):
            act()
    with pytest.raises(ValueError, match="no embedding"):
        enable_input_require_grads(nn.Linear(2, 2))
