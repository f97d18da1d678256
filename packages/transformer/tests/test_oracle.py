"""Equality with independent implementations: torch.nn and transformers' Marian."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lessons.transformer import (
    LabelSmoothingLoss,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    from_marian,
    from_torch_transformer,
    greedy,
    load,
    scaled_dot_product_attention,
    to_marian,
    to_torch_transformer,
)
from lessons.transformer.weights import save


@pytest.fixture(scope="module")
def marian():
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=60, decoder_vocab_size=60, d_model=32, encoder_layers=2, decoder_layers=3,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
        decoder_ffn_dim=48, activation_function="swish", scale_embedding=True, pad_token_id=59,
        eos_token_id=0, decoder_start_token_id=59, forced_eos_token_id=None,
        max_position_embeddings=64, init_std=0.2,
    )  # fmt: skip
    model = MarianMTModel(config).eval()
    model.final_logits_bias.normal_(generator=torch.Generator().manual_seed(1))
    return model


def batch():
    g = torch.Generator().manual_seed(2)
    src, tgt = (torch.randint(1, 59, shape, generator=g) for shape in ((3, 9), (3, 7)))
    src[1, 6:] = 59
    tgt[:, 0] = 59
    return src, tgt


def test_logits_equal_marian(marian):
    src, tgt = batch()
    ours = from_marian(marian.state_dict(), num_heads=4)
    with torch.no_grad():
        theirs = marian(input_ids=src, attention_mask=src != 59, decoder_input_ids=tgt).logits
        torch.testing.assert_close(ours(src, tgt), theirs, atol=1e-5, rtol=1e-5)


def test_logits_equal_marian_in_double_precision(marian):
    src, tgt = batch()
    double = {name: tensor.double() for name, tensor in marian.state_dict().items()}
    ours = from_marian(double, num_heads=4)
    marian.double()
    try:
        with torch.no_grad():
            theirs = marian(input_ids=src, attention_mask=src != 59, decoder_input_ids=tgt).logits
            # Marian's table of sinusoids was rounded to single precision: 1e-7 remains.
            torch.testing.assert_close(ours(src, tgt), theirs, atol=1e-5, rtol=0)
    finally:
        marian.float()


def test_greedy_equals_marian_generate(marian):
    src, _ = batch()
    ours = greedy(from_marian(marian.state_dict(), num_heads=4), src, max_len=25)
    theirs = marian.generate(
        src, attention_mask=(src != 59).long(), max_new_tokens=25, num_beams=1, do_sample=False,
        bad_words_ids=[[59]],
    )[:, 1:]  # fmt: skip
    assert torch.equal(ours, theirs[:, : ours.shape[1]])
    assert (theirs[:, ours.shape[1] :] == 59).all()


def test_marian_takes_our_weights_back(marian):
    state = to_marian(from_marian(marian.state_dict(), num_heads=4), max_positions=64)
    assert state.keys() == marian.state_dict().keys()
    for name, tensor in marian.state_dict().items():
        torch.testing.assert_close(state[name], tensor, atol=1e-6, rtol=0)


def test_an_untied_output_matrix_is_read_and_written(marian):
    import copy

    untied = copy.deepcopy(marian)
    untied.lm_head.weight = nn.Parameter(torch.randn(60, 32))
    src, tgt = batch()
    ours = from_marian(untied.state_dict(), num_heads=4)
    assert not ours.config.tie_output
    with torch.no_grad():
        theirs = untied(input_ids=src, attention_mask=src != 59, decoder_input_ids=tgt).logits
        torch.testing.assert_close(ours(src, tgt), theirs, atol=1e-4, rtol=1e-4)
    assert torch.equal(to_marian(ours)["lm_head.weight"], untied.lm_head.weight)


def test_source_embeddings_of_their_own_are_read(marian):
    state = dict(marian.state_dict())
    state["model.encoder.embed_tokens.weight"] = torch.randn(60, 32)
    ours = from_marian(state, num_heads=4)
    assert torch.equal(ours.src_embedding.weight, state["model.encoder.embed_tokens.weight"])
    state["model.encoder.embed_positions.weight"] = torch.randn(64, 32)
    with pytest.raises(ValueError, match=r"encoder\.embed_positions.* not a table of sinusoids"):
        from_marian(state, num_heads=4)


def test_marian_weights_are_saved_though_they_share_memory(marian, tmp_path):
    state = to_marian(from_marian(marian.state_dict(), num_heads=4), max_positions=64)
    save(tmp_path / "model.safetensors", state)
    again = load(tmp_path / "model.safetensors")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())


def test_a_state_that_does_not_fit_is_listed_whole(marian):
    state = dict(marian.state_dict())
    del state["model.encoder.layers.0.fc1.bias"]
    state["model.decoder.layers.1.extra"] = torch.zeros(1)
    state["model.decoder.layers.0.fc2.weight"] = torch.zeros(3, 4)
    with pytest.raises(ValueError, match="does not fit") as error:
        from_marian(state, num_heads=4)
    for part in (
        "missing encoder.layers.0.feed_forward.linear1.bias",
        "unexpected decoder.layers.1.extra",
        "decoder.layers.0.feed_forward.linear2.weight is (3, 4), expected (32, 48)",
    ):
        assert part in str(error.value)
    with pytest.raises(ValueError, match=r"no 'model\.shared\.weight'"):
        from_marian({})


def test_a_model_of_another_form_is_not_written_as_marian():
    with pytest.raises(ValueError, match="has not Marian's form"):
        to_marian(Transformer(TransformerConfig(20, d_model=8, num_heads=2, d_ff=8)))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_stacks_equal_torch_nn_transformer(norm_first, dtype, atol):
    torch.manual_seed(0)
    theirs = nn.Transformer(
        32, 4, 2, 3, 64, batch_first=True, norm_first=norm_first, dtype=dtype
    ).eval()
    for parameter in theirs.parameters():  # its biases are zero at first
        parameter.data += 0.1 * torch.randn_like(parameter)
    encoder, decoder = from_torch_transformer(theirs)
    src, tgt = torch.randn(2, 5, 32, dtype=dtype), torch.randn(2, 6, 32, dtype=dtype)
    hidden = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])  # True: may not be looked at
    causal = nn.Transformer.generate_square_subsequent_mask(6, dtype=dtype)
    expected = theirs(
        src, tgt, tgt_mask=causal, src_key_padding_mask=hidden, memory_key_padding_mask=hidden
    )
    mask = ~hidden[:, None, None]
    result = decoder(tgt, encoder(src, mask), mask)
    torch.testing.assert_close(result, expected, atol=atol, rtol=atol)
    for got, want in zip(
        torch.autograd.grad(
            result.square().sum(), decoder.layers[0].cross_attention.in_proj.weight
        ),
        torch.autograd.grad(
            expected.square().sum(), theirs.decoder.layers[0].multihead_attn.in_proj_weight
        ),
    ):
        torch.testing.assert_close(got, want, atol=100 * atol, rtol=10 * atol)
    back = to_torch_transformer(encoder, decoder)
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(back[n], t) for n, t in theirs.state_dict().items())


@pytest.mark.parametrize("activation", ["gelu", F.gelu, nn.GELU(), F.silu, nn.ReLU()])
def test_activations_of_torch_nn_transformer_are_kept(activation):
    """Given as a module it reaches torch's encoder only: a copied decoder layer has ReLU again."""
    torch.manual_seed(0)
    theirs = nn.Transformer(16, 2, 1, 1, 32, activation=activation, batch_first=True).eval()
    encoder, decoder = from_torch_transformer(theirs)
    src, tgt = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    causal = nn.Transformer.generate_square_subsequent_mask(5)
    expected = theirs(src, tgt, tgt_mask=causal)
    torch.testing.assert_close(decoder(tgt, encoder(src)), expected, atol=1e-5, rtol=1e-5)


def test_what_ours_cannot_compute_is_refused():
    tanh = nn.Transformer(16, 2, 1, 1, 32, activation=torch.tanh)
    with pytest.raises(ValueError, match="activation must be relu, gelu or silu, got"):
        from_torch_transformer(tanh)
    approximate = nn.Transformer(16, 2, 1, 1, 32, activation=nn.GELU("tanh"))
    with pytest.raises(ValueError, match="got GELU"):
        from_torch_transformer(approximate)
    mixed = nn.Transformer(16, 2, 1, 2, 32)
    mixed.decoder.layers[1].norm_first = True
    with pytest.raises(ValueError, match="layers must be of one form"):
        from_torch_transformer(mixed)


def test_attention_equals_torch_nn_multihead_attention_weights():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(24, 3, batch_first=True, dtype=torch.float64)
    ours = MultiHeadAttention(24, 3, bias=True).double()
    state = theirs.state_dict()
    ours.load_state_dict({n.replace("in_proj_", "in_proj."): t for n, t in state.items()})
    x, memory = torch.randn(2, 4, 24).double(), torch.randn(2, 6, 24).double()
    expected, weights = theirs(x, memory, memory, average_attn_weights=False)
    maps = []
    torch.testing.assert_close(ours(x, memory, maps=maps), expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(maps[0], weights, atol=1e-12, rtol=0)


def test_the_written_out_path_equals_the_kernel():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 6, 8).double()
    mask = torch.rand(2, 1, 6, 6) > 0.3
    mask[..., 0] = True
    expected = F.scaled_dot_product_attention(q, k, v, mask)
    fast = scaled_dot_product_attention(q, k, v, mask)
    slow, _ = scaled_dot_product_attention(q, k, v, mask, need_weights=True)
    torch.testing.assert_close(fast, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(slow, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("eps", [0.0, 0.1])
def test_smoothing_equals_torch(eps):
    torch.manual_seed(0)
    logits, target = torch.randn(4, 5, 9), torch.randint(0, 9, (4, 5))
    expected = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=0, label_smoothing=eps
    )
    torch.testing.assert_close(LabelSmoothingLoss(eps)(logits, target), expected)


def test_operations_are_those_of_the_formulas():
    c = TransformerConfig(vocab_size=50, d_model=32, d_ff=64, num_heads=4, num_encoder_layers=1,
                          num_decoder_layers=1)  # fmt: skip
    model, n, t, d = Transformer(c).eval(), 12, 7, 32
    # On the meta device: on a CPU torch before 2.15 does not count its fused attention.
    model.to("meta")
    src, tgt = (torch.zeros(2, length, dtype=torch.long, device="meta") for length in (n, t))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(src, tgt)
    encoder = 8 * n * d * d + 4 * n * n * d + 4 * n * d * 64
    decoder = 8 * t * d * d + 4 * t * t * d + 4 * t * d * d + 4 * n * d * d + 4 * t * n * d
    decoder += 4 * t * d * 64
    assert counter.get_total_flops() == 2 * (encoder + decoder + 2 * t * d * 50)
