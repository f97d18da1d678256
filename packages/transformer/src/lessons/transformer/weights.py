"""Weights of other implementations: Marian's released models and ``torch.nn.Transformer``."""

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import TransformerConfig
from .files import check_tensors
from .files import load as load
from .files import save as save
from .model import Decoder, Encoder, Transformer
from .positions import SinusoidalPositionalEncoding

# In order: what stands in a Marian name, what stands in ours. {q,k,v}_proj become one in_proj.
MARIAN = [
    (r"^model\.", ""),
    (r"self_attn_layer_norm", "residual1.norm"),
    (r"encoder_attn_layer_norm", "residual2.norm"),
    (r"^(encoder\..*)final_layer_norm", r"\1residual2.norm"),
    (r"^(decoder\..*)final_layer_norm", r"\1residual3.norm"),
    (r"self_attn", "self_attention"),
    (r"encoder_attn", "cross_attention"),
    (r"fc([12])", r"feed_forward.linear\1"),
]
MATRICES = {"model.shared.weight", "model.encoder.embed_tokens.weight",
            "model.decoder.embed_tokens.weight", "lm_head.weight"}  # fmt: skip
READ = {"final_logits_bias", "model.encoder.embed_positions.weight",
        "model.decoder.embed_positions.weight"}  # fmt: skip
TORCH = [
    (r"^(encoder|decoder)(.*)\.norm(\d)\.", r"\1\2.residual\3.norm."),
    (r"multihead_attn", "cross_attention"),
    (r"self_attn", "self_attention"),
    (r"in_proj_", "in_proj."),
    (r"\.linear([12])", r".feed_forward.linear\1"),
]


def from_marian(
    state: Mapping[str, Tensor],
    num_heads: int = 8,
    activation: str = "swish",
    pad_id: int | None = None,
    eos_id: int = 0,
) -> Transformer:
    """Return the model of a Marian state dict, such as OPUS-MT's as transformers stores them.

    Sizes come from the shapes. Marian differs from the paper in biases on the projections, swish,
    sines before cosines, a bias on the logits, and a decoder that starts with the padding id.
    Embeddings and output matrix may be one or several, as the state dict has them.

    Args:
        state: names and tensors of ``MarianMTModel.state_dict()``, or ``load(path)``.
        num_heads: not to be seen in the shapes; 8 in OPUS-MT.
        activation: "swish" in OPUS-MT.
        pad_id: default: the last id, as in OPUS-MT.
        eos_id: 0 in OPUS-MT.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message; or
            positions that are not Marian's sinusoids.

    Source: Junczys-Dowmunt et al. 2018 (Marian); transformers' ``MarianMTModel``.
    """
    check_tensors(state)
    if "model.shared.weight" not in state:
        raise ValueError("state has no 'model.shared.weight': not a Marian model with shared ids")
    shared = state["model.shared.weight"]
    for name in MATRICES & state.keys():
        if state[name].dim() != 2 or not state[name].numel():
            shape = tuple(state[name].shape)
            raise ValueError(f"{name} must be a matrix with a row for each id, got shape {shape}")
    for name, tensor in state.items():
        if tensor.device != shared.device or tensor.is_meta:
            device = f"{tensor.device}, model.shared.weight on {shared.device}"
            raise ValueError(f"{name} is on {device}; all must be on one, with numbers")
    pad_id = len(shared) - 1 if pad_id is None else pad_id
    # One matrix under four names in OPUS-MT; each is read, since nothing says that it must be one.
    source = state.get("model.encoder.embed_tokens.weight", shared)
    target = state.get("model.decoder.embed_tokens.weight", shared)
    output = state.get("lm_head.weight", target)
    fc1 = state.get("model.encoder.layers.0.fc1.weight", torch.empty(1, 1))
    config = TransformerConfig(
        vocab_size=len(target), d_model=shared.shape[1], d_ff=fc1.shape[0] if fc1.dim() else 1,
        num_heads=num_heads, src_vocab_size=len(source) if len(source) != len(target) else None,
        num_encoder_layers=_count(state, r"model\.encoder\.layers\.(\d+)\."),
        num_decoder_layers=_count(state, r"model\.decoder\.layers\.(\d+)\."),
        activation=activation, attention_bias=True, output_bias=True,  # type: ignore
        position_layout="concat", pad_id=pad_id, bos_id=pad_id, eos_id=eos_id,
        share_embeddings=torch.equal(source, target), tie_output=torch.equal(output, target),
    )  # fmt: skip
    for side in ("encoder", "decoder"):
        _check_sinusoids(state.get(f"model.{side}.embed_positions.weight"), config.d_model, side)
    bias = state.get("final_logits_bias", target.new_zeros(len(target)))
    ours = {"output_bias": bias.flatten(), "tgt_embedding.weight": target}
    if not config.share_embeddings:
        ours["src_embedding.weight"] = source
    if not config.tie_output:
        ours["output.weight"] = output
    for name, tensor in state.items():
        if name not in MATRICES | READ:
            new = _rename(name, MARIAN)
            if new in ours:
                raise ValueError(f"state has two tensors for {new}, one of them {name!r}")
            ours[new] = tensor
    for name in list(ours):
        if ".q_proj." in name:
            names = [name.replace(".q_proj.", f".{x}_proj.") for x in "qkv"]
            parts = [ours[part] for part in names if part in ours]
            kinds = {(part.dim(), part.shape[1:], part.dtype) for part in parts}
            if len(parts) == 3 and len(kinds) == 1 and parts[0].dim():
                ours[name.replace(".q_proj.", ".in_proj.")] = torch.cat(parts)
                for part in names:
                    del ours[part]
    with torch.device("meta"):
        model = Transformer(config)
    return _load(model, ours).eval()


def to_marian(model: Transformer, max_positions: int = 512) -> dict[str, Tensor]:
    """Return a model's weights under Marian's names, for ``MarianMTModel.load_state_dict``.

    Args:
        model: of Marian's form.
        max_positions: rows of the table of sinusoids that Marian stores.

    Raises:
        ValueError: a model that has not Marian's form: one vocabulary, biases, concat sinusoids.
    """
    c = model.config
    form = {
        "attention_bias": True, "norm": "post", "output_bias": True, "positions": "sinusoidal",
        "position_layout": "concat", "position_spacing": "paper", "scale_embeddings": True,
        "share_embeddings": True, "pad_vocab_multiple": 1,
    }  # fmt: skip
    wrong = {name: getattr(c, name) for name, want in form.items() if getattr(c, name) != want}
    if wrong or isinstance(model.encoder.norm, nn.LayerNorm):
        raise ValueError(f"model has not Marian's form {form}: {wrong or 'a final norm'}")
    shared = model.tgt_embedding.weight.detach()
    theirs = {f"model.{n}.weight": shared for n in
              ("shared", "encoder.embed_tokens", "decoder.embed_tokens")}  # fmt: skip
    output = shared if model.output is None else model.output.weight.detach()
    theirs["lm_head.weight"] = output
    table = model.src_positions(torch.arange(max_positions), torch.float64).to(shared)
    for side in ("encoder", "decoder"):
        theirs[f"model.{side}.embed_positions.weight"] = table
    theirs["final_logits_bias"] = model.state_dict()["output_bias"][None]
    back = {
        "encoder": (("residual1.norm", "self_attn_layer_norm"),
                    ("residual2.norm", "final_layer_norm")),
        "decoder": (("residual1.norm", "self_attn_layer_norm"),
                    ("residual2.norm", "encoder_attn_layer_norm"),
                    ("residual3.norm", "final_layer_norm")),
    }  # fmt: skip
    inner = (("self_attention", "self_attn"), ("cross_attention", "encoder_attn"),
             ("feed_forward.linear", "fc"))  # fmt: skip
    for name, tensor in model.state_dict().items():
        side = name.split(".")[0]
        if side not in back:
            continue
        new = f"model.{name}"
        for ours, marian in (*back[side], *inner):
            new = new.replace(ours, marian)
        if ".in_proj." in name:
            splits = model.get_submodule(name.split(".in_proj")[0]).splits
            for x, part in zip("qkv", tensor.split(splits)):
                theirs[new.replace(".in_proj.", f".{x}_proj.")] = part
        else:
            theirs[new] = tensor
    return theirs


def from_torch_transformer(module: nn.Transformer) -> tuple[Encoder, Decoder]:
    """Return our encoder and decoder with the weights of ``torch.nn.Transformer``.

    That module has no embeddings and no output matrix; it has biases on the projections and,
    unlike the paper, a normalisation after each stack.

    Args:
        module: with ``batch_first=True`` it computes what ours do.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message; an
            activation that ours have not; or layers that differ from one another.
    """
    state = {_rename(name, TORCH): tensor for name, tensor in module.state_dict().items()}
    with torch.device("meta"):
        modules = {
            "encoder": Encoder(_config_of(module.encoder, module.d_model)),
            "decoder": Decoder(_config_of(module.decoder, module.d_model)),
        }
    both = _load(nn.ModuleDict(modules), state)
    return both["encoder"].train(module.training), both["decoder"].train(module.training)


def _config_of(stack: Any, d_model: int) -> TransformerConfig:
    """Return what a stack of torch.nn.Transformer computes, as ours is told."""
    forms = [_form(layer) for layer in stack.layers]
    for i, form in enumerate(forms):
        if form != forms[0]:
            raise ValueError(f"layers must be of one form, got {forms[0]} and, layer {i}, {form}")
    return TransformerConfig(
        d_model=d_model, num_encoder_layers=len(forms), num_decoder_layers=len(forms),
        final_norm=stack.norm is not None, **forms[0],
    )  # fmt: skip


def _form(layer: Any) -> dict[str, Any]:
    """Return what a layer of torch.nn.Transformer computes besides its weights."""
    known = {F.relu: "relu", torch.relu: "relu", F.gelu: "gelu", F.silu: "swish"}
    activation, kind = layer.activation, None
    if isinstance(activation, nn.Module):
        plain_gelu = isinstance(activation, nn.GELU) and activation.approximate == "none"
        kind = "relu" if isinstance(activation, nn.ReLU) else "gelu" if plain_gelu else None
        kind = "swish" if isinstance(activation, nn.SiLU) else kind
    else:
        kind = known.get(activation)
    if kind is None:
        raise ValueError(f"activation must be relu, gelu or silu, got {activation}")
    return {
        "num_heads": layer.self_attn.num_heads, "d_ff": layer.linear1.out_features,
        "dropout": layer.dropout.p, "activation_dropout": layer.dropout.p,
        "attention_dropout": layer.self_attn.dropout, "activation": kind,
        "norm": "pre" if layer.norm_first else "post", "norm_eps": layer.norm1.eps,
        "attention_bias": layer.self_attn.in_proj_bias is not None,
    }  # fmt: skip


def to_torch_transformer(encoder: Encoder, decoder: Decoder) -> dict[str, Tensor]:
    """Return the weights under ``torch.nn.Transformer``'s names, for its ``load_state_dict``."""
    theirs = {}
    for side, stack in (("encoder", encoder), ("decoder", decoder)):
        for name, tensor in stack.state_dict().items():
            name = re.sub(r"residual(\d)\.norm", r"norm\1", f"{side}.{name}")
            name = name.replace("self_attention", "self_attn")
            name = name.replace("cross_attention", "multihead_attn")
            theirs[name.replace("in_proj.", "in_proj_").replace("feed_forward.", "")] = tensor
    return theirs


def _rename(name: str, rules: list[tuple[str, str]]) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name


def _check_sinusoids(table: Tensor | None, d_model: int, side: str) -> None:
    """Raise a ValueError where a stored table is not the sinusoids that are computed instead."""
    if table is None:
        return
    encoding = SinusoidalPositionalEncoding(d_model, "concat")
    fits = table.dim() == 2 and table.shape[1] == d_model
    wanted = encoding(torch.arange(len(table)), torch.float64) if fits else None
    # Half precision rounds a sine by up to 1/256.
    if wanted is None or not ((table.cpu().double() - wanted).abs() <= 0.01).all():
        raise ValueError(f"model.{side}.embed_positions.weight is not a table of sinusoids")


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = (re.match(pattern, name) for name in state)
    return max(1, len({match[1] for match in found if match}))  # how many: a number may be wrong


def _load(module: Any, state: Mapping[str, Tensor]) -> Any:
    """Load strictly into a module on the meta device; the tensors become its own copies."""
    wanted = module.state_dict()
    check_tensors(state)
    wrong = [f"missing {name}" for name in sorted(wanted.keys() - state.keys())]
    wrong += [f"unexpected {name}" for name in sorted(state.keys() - wanted.keys())]
    wrong += [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    like = next(iter(state.values()))
    kinds = {(tensor.dtype, tensor.device) for tensor in state.values()}
    if len(kinds) > 1 or not like.is_floating_point():
        found = "; ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds))
        raise ValueError(f"tensors must be of one floating-point type and device, got {found}")
    module.to(like.dtype).to_empty(device=like.device)
    module.load_state_dict(state)
    return module
