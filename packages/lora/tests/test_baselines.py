"""The rivals of §5.1, the formulas of their sizes, and the tools of §7."""

import copy

import pytest
import torch

from lessons.lora import (
    BERT_PRESETS,
    GPT2,
    GPT2_PRESETS,
    Adapter,
    Bert,
    BertConfig,
    Classifier,
    GPT2Config,
    LoRAConfig,
    PrefixEmbedding,
    PrefixLayer,
    adapter_count,
    adapters_h,
    adapters_l,
    adapters_p,
    amplification,
    bitfit,
    count_all,
    count_trainable,
    full,
    inject,
    load,
    lora_count,
    prefix_embedding_count,
    prefix_layer_count,
    projected_norm,
    save,
    similarity_map,
    subspace_similarity,
    top_layers,
    training_memory,
)

IDS = torch.tensor([[2, 3, 4, 5], [6, 7, 8, 9]])


def hosts():
    generator = torch.Generator().manual_seed(0)
    bert = Bert(BertConfig(19, 12, 2, 3, 24, 16), generator)
    return [
        GPT2(GPT2Config(19, 16, 12, 2, 3), generator).eval(),
        Classifier(bert, 3, generator).eval(),
    ]


@pytest.mark.parametrize("put", [adapters_h, adapters_l, adapters_p])
@pytest.mark.parametrize("which", [0, 1])
def test_adapters_begin_as_the_host_and_have_the_formulas_size(put, which):
    host = hosts()[which]
    before = host(IDS)
    model = put(copy.deepcopy(host), 5)
    torch.testing.assert_close(model(IDS), before)
    places, norms = {adapters_h: (4, 0), adapters_l: (2, 2), adapters_p: (2, 0)}[put]
    assert count_trainable(model) == adapter_count(places, 12, 5, norms)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, Adapter):
                module.up.weight.normal_(0, 1, generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(model(IDS), before, rtol=1e-3, atol=0)


@pytest.mark.parametrize("which", [0, 1])
def test_prefixes_stand_before_the_text_and_have_the_formulas_size(which):
    host = hosts()[which]
    before = host(IDS)
    for kind, size in ((PrefixEmbedding, prefix_embedding_count(12, 3)),
                       (PrefixLayer, prefix_layer_count(2, 12, 3))):  # fmt: skip
        model = kind(copy.deepcopy(host), 12, 3, torch.Generator().manual_seed(0))
        assert count_trainable(model) == size
        y = model(IDS)
        assert y.shape == before.shape
        assert not torch.allclose(y, before)
        y.square().sum().backward()
        assert all(p.grad.abs().sum() > 0 for p in model.parameters() if p.requires_grad)
        assert all(p.grad is None for p in model.host.parameters())


def test_a_prefix_of_real_words_is_those_words():
    host = hosts()[0]
    words = torch.tensor([11, 12])
    prefix = host.transformer["wte"].weight[words]
    whole = host(torch.cat([words.expand(2, -1), IDS], 1))[:, 2:]
    torch.testing.assert_close(host(IDS, prefix), whole)


def test_bitfit_top_layers_and_all():
    host = hosts()[1]
    assert count_trainable(full(copy.deepcopy(host))) == count_all(host)
    model = bitfit(copy.deepcopy(host))
    free = [n for n, p in model.named_parameters() if p.requires_grad]
    assert free
    assert all(n.endswith("bias") for n in free)
    model = top_layers(copy.deepcopy(host), 1)
    free = [n for n, p in model.named_parameters() if p.requires_grad]
    assert free
    assert all(".layer.1." in n for n in free)
    with pytest.raises(ValueError, match="1 to 2, got 3"):
        top_layers(host, 3)
    with pytest.raises(TypeError, match="Linear has no layer"):
        top_layers(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="r must"):
        Adapter(4, 0)
    with pytest.raises(ValueError, match="length"):
        PrefixEmbedding(host, 12, 0)


def test_the_papers_counts():
    assert lora_count(192, 12_288, 1) == 4_718_592  # Table 4: 4.7M
    assert lora_count(192, 12_288, 8) == 37_748_736  # 37.7M
    assert adapter_count(192, 12_288, 1) == 7_078_080  # 7.1M
    assert adapter_count(192, 12_288, 8) == 40_109_568  # 40.1M
    assert prefix_embedding_count(12_288, 256, 8) == 3_244_032  # 3.2M
    assert prefix_layer_count(96, 12_288, 8, 8) == 18_874_368  # printed: 20.2M
    assert adapter_count(48, 1_024, 8) == 835_968  # Table 2: 0.8M
    assert adapter_count(48, 1_024, 64) == 6_343_680  # printed: 6.0M
    assert adapter_count(24, 1_024, 16) == 811_392  # Pfeiffer: 0.8M
    assert adapter_count(24, 1_024, 64) == 3_171_840  # 3.0M
    with torch.device("meta"):
        model = adapters_h(Bert(BERT_PRESETS["roberta-large"]), 8)
    assert count_trainable(model) == 835_968


def test_memory_of_gpt3():
    with torch.device("meta"):
        model = inject(GPT2(GPT2_PRESETS["gpt3-175b"]),
                       LoRAConfig(4, None, ("c_attn",), enable=(True, False, True)))  # fmt: skip
    found = training_memory(model)
    assert found["checkpoint"] == 2 * 18_874_368 == 37_748_736  # "35MB" of §4.2: 36.0 MiB
    assert found["moments"] == 4 * 18_874_368
    assert found["gradients"] == 2 * 18_874_368
    assert found["total"] == found["weights"] + found["gradients"] + found["moments"]
    whole = training_memory(full(torch.nn.Linear(9, 1)), "sgd", "float32")
    assert whole == {"weights": 40, "gradients": 40, "moments": 0, "total": 80, "checkpoint": 40}
    with pytest.raises(ValueError, match="optimizer must be one of adam, momentum, sgd"):
        training_memory(model, "lion")
    with pytest.raises(ValueError, match="dtype"):
        training_memory(model, dtype="int4")


def test_similarity_is_one_within_and_zero_across():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(20, 20, generator=generator, dtype=torch.float64))[0]
    A = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64).diag() @ basis[:3]
    B = torch.tensor([9.0, 5.0, 4.0, 2.0], dtype=torch.float64).diag() @ basis[[1, 0, 7, 8]]
    assert subspace_similarity(A, B, 2, 2) == pytest.approx(1)
    assert subspace_similarity(A, B, 1, 1) == pytest.approx(0)
    assert subspace_similarity(A, B, 1, 2) == pytest.approx(1)
    assert subspace_similarity(A, B, 3, 4) == pytest.approx(2 / 3)
    maps = similarity_map(A, B)
    assert maps.shape == (3, 4)
    torch.testing.assert_close(maps.T, similarity_map(B, A))
    for i in (1, 2, 3):
        for j in (1, 2, 3, 4):
            U, V = (torch.linalg.svd(M, full_matrices=False).Vh.T for M in (A, B))
            direct = (U[:, :i].T @ V[:, :j]).norm() ** 2 / min(i, j)
            assert subspace_similarity(A, B, i, j) == pytest.approx(direct.item())
    with pytest.raises(ValueError, match="j must be 1 to 4, got 5"):
        subspace_similarity(A, B, 1, 5)
    with pytest.raises(ValueError, match="20 and 19"):
        similarity_map(A, B[:, :19])


def test_random_matrices_overlap_by_the_larger_share():
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(200, 2, 8, 100, generator=generator, dtype=torch.float64)
    mean = torch.stack([similarity_map(a, b) for a, b in pairs]).mean(0)
    for i, j in ((1, 1), (8, 8), (2, 8)):
        assert mean[i - 1, j - 1].item() == pytest.approx(max(i, j) / 100, rel=0.25)


def test_projection_and_amplification():
    W = torch.diag(torch.tensor([5.0, 2.0, 0.5, 0.1], dtype=torch.float64))
    dW = torch.zeros_like(W)
    dW[2, 2] = 4.0  # a weak direction, turned up
    assert projected_norm(W, W, 2) == pytest.approx(29**0.5)
    assert projected_norm(W, dW, 1) == pytest.approx(0.5)
    assert amplification(W, dW, 1) == pytest.approx(8)
    with pytest.raises(ValueError, match="r must be 1 to 4, got 5"):
        projected_norm(W, dW, 5)
    with pytest.raises(ValueError, match="one shape"):
        projected_norm(W, dW[:2], 1)


def test_files_that_are_no_weights_are_named(tmp_path):
    save(tmp_path / "a.safetensors", {"module.x": torch.ones(2)})
    assert load(tmp_path / "a.safetensors")["x"].tolist() == [1, 1]
    torch.save({"state_dict": {"_orig_mod.x": torch.ones(2)}}, tmp_path / "b.pt")
    assert list(load(tmp_path / "b.pt")) == ["x"]
    for name, content in (("empty", b""), ("page", b"<html>"), ("cut", b"PK\x03\x04" + b"0" * 99)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read"):
            load(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="list"):
        load(tmp_path / "list.pt")
    with pytest.raises(OSError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="meta"):
        save(tmp_path / "c", {"x": torch.ones(2, device="meta")})


def test_hosts_refuse_what_means_nothing():
    with pytest.raises(ValueError, match="n_embd \\(10\\) must be divisible by n_head \\(3\\)"):
        GPT2Config(n_embd=10, n_head=3)
    with pytest.raises(ValueError, match="hidden_size"):
        BertConfig(hidden_size=10, num_attention_heads=3)
    for host in (GPT2, Bert):
        with pytest.raises(ValueError, match="name must be one of"):
            host.from_preset("gpt5")
    language, classifier = hosts()
    with pytest.raises(ValueError, match="too long: 17"):
        language(torch.zeros(1, 17, dtype=torch.long))
    with pytest.raises(ValueError, match="too long: 17 positions, at most 16"):
        classifier(torch.zeros(1, 17, dtype=torch.long))
    with pytest.raises(ValueError, match="a token is needed"):
        language.generate(torch.zeros(1, 0, dtype=torch.long), 3)
    assert language.generate(IDS, 20, 0).shape == (2, 24)
