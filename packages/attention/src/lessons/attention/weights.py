"""Weights from and to files: ours, GroundHog's (the paper's own code), GRUs of torch and Keras."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .config import PRESETS, TranslatorConfig
from .gated import GatedUnit
from .model import RNNsearch

# GroundHog keeps W_x, U and C of update gate, reset gate and candidate apart, transposed.
GATES = ("update", "reset", "input")
CONTEXT = ("dec_updater", "dec_reseter", "dec_inputter")
# What the sizes are read from.
SIZED = {
    "W_0_enc_approx_embdr", "W_0_dec_approx_embdr", "W_enc_transition_0", "W_dec_transition_0",
    "B_dec_transition_0", "W1_dec_deep_softmax",
}  # fmt: skip


def from_groundhog(state: Mapping[str, Any], **changes: Any) -> RNNsearch:
    """Return the RNNsearch of a GroundHog file (``search_model.npz``), by the paper's own code.

    It has biases at the embeddings (here added to each word's vector) and none at the gates, W_o as
    a product of two matrices, and a state update that sees the word just emitted.

    Args:
        state: names and arrays or tensors, such as ``load(path)`` or ``numpy.load(path)``.
        changes: to the configuration, which else comes from the shapes: ``eos_id`` is the last.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message.
    """
    try:
        found = {k: torch.as_tensor(np.asarray(v) if not isinstance(v, Tensor) else v).clone()
                 for k, v in dict(state).items()}  # fmt: skip
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"state must map names to arrays of numbers: {error}") from error
    names = groundhog_names()
    wrong = [f"missing {name}" for name in sorted(names - found.keys())]
    wrong += [f"unexpected {name}" for name in sorted(found.keys() - names)]
    wrong += [f"{name} is of {tensor.dtype}" for name, tensor in sorted(found.items())
              if not tensor.is_floating_point()]  # fmt: skip
    wrong += [f"{name} is {tuple(found[name].shape)}, expected a matrix"
              for name in sorted(SIZED & found.keys()) if found[name].dim() != 2]  # fmt: skip
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    source, target = (found[f"W_0_{side}_approx_embdr"] for side in ("enc", "dec"))
    config = dataclasses.replace(
        PRESETS["groundhog-search"],
        source_vocab_size=len(source),
        target_vocab_size=len(target),
        embedding_size=source.shape[-1],
        encoder_size=len(found["W_enc_transition_0"]),
        decoder_size=len(found["W_dec_transition_0"]),
        alignment_size=found["B_dec_transition_0"].shape[-1],
        maxout_size=len(found["W1_dec_deep_softmax"]),
        output_rank=found["W1_dec_deep_softmax"].shape[-1],
        eos_id=changes.pop("eos_id", len(target) - 1),
        **changes,
    )
    if found["D_dec_transition_0"].dim() == 1:
        found["D_dec_transition_0"] = found["D_dec_transition_0"][:, None]
    wrong = [
        f"{name} is {tuple(found[name].shape)}, expected {shape}"
        for name, shape in groundhog_shapes(config).items() if found[name].shape != shape
    ]  # fmt: skip
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")
    ours = {
        "encoder.embedding.weight": source + found["b_0_enc_approx_embdr"],
        "embedding.weight": target + found["b_0_dec_approx_embdr"],
        "start.weight": found["W_0_dec_initializer_0"].T,
        "start.bias": found["b_0_dec_initializer_0"],
        "attention.query.weight": found["B_dec_transition_0"].T,
        "attention.key.weight": found["A_dec_transition_0"].T,
        "attention.energy": found["D_dec_transition_0"].flatten(),
        "readout.state.weight": found["W_0_dec_hid_readout_0"].T,
        "readout.state.bias": found["b_0_dec_hid_readout_0"],
        "readout.word.weight": found["W_0_dec_prev_readout_0"].T,
        "readout.context.weight": found["W_0_dec_repr_readout"].T,
        "readout.low.weight": found["W1_dec_deep_softmax"].T,
        "readout.output.weight": found["W2_dec_deep_softmax"].T,
        "readout.output.bias": found["b_dec_deep_softmax"],
    }
    for theirs, name in (("enc", "encoder.forward_unit"), ("back_enc", "encoder.backward_unit"),
                         ("dec", "unit")):  # fmt: skip
        bias = found[f"b_0_{theirs}_input_embdr_0"]
        ours |= {
            f"{name}.weight_input": torch.cat(
                [found[f"W_0_{theirs}_{gate}_embdr_0"].T for gate in GATES]
            ),
            f"{name}.weight_gates": torch.cat(
                [found[f"{g}_{theirs}_transition_0"].T for g in "GR"]
            ),
            f"{name}.weight_state": found[f"W_{theirs}_transition_0"].T,
            f"{name}.bias": torch.cat([torch.zeros_like(bias).repeat(2), bias]),
        }
    ours["unit.weight_context"] = torch.cat([found[f"W_0_dec_{part}_0"].T for part in CONTEXT])
    with torch.device("meta"):
        model = RNNsearch(config)
    return fill(model, ours).eval()


def to_groundhog(model: RNNsearch) -> dict[str, Tensor]:
    """Return a model's weights under GroundHog's names.

    Raises:
        ValueError: what GroundHog's model has not: gates with biases, W_o as one matrix, another
            score, order or reset.
    """
    c, own = model.config, {k: v.detach().clone() for k, v in model.state_dict().items()}
    wrong = [] if model.kind == "rnnsearch" and c.bidirectional else ["one vector or direction"]
    wrong += [] if c.score == "additive" else [f"score {c.score!r}"]
    wrong += [] if c.update_word == "current" else ["an update that sees the previous word"]
    wrong += [] if c.output_rank else ["W_o as one matrix (output_rank=None)"]
    wrong += [] if c.reset == "before" else ["a reset after the product"]
    wrong += [] if c.bias else ["no biases"]
    units = {"enc": "encoder.forward_unit", "back_enc": "encoder.backward_unit", "dec": "unit"}
    if not wrong:
        gates = {name: own[f"{name}.bias"].chunk(3)[:2] for name in units.values()}
        wrong += [f"biases at the gates of {n}" for n, b in gates.items() if torch.cat(b).any()]
    if wrong:
        raise ValueError(f"GroundHog has no model with {', '.join(wrong)}")
    theirs = {
        "W_0_enc_approx_embdr": own["encoder.embedding.weight"],
        "W_0_dec_approx_embdr": own["embedding.weight"],
        "b_0_enc_approx_embdr": torch.zeros_like(own["embedding.weight"][0]),
        "b_0_dec_approx_embdr": torch.zeros_like(own["embedding.weight"][0]),
        "W_0_dec_initializer_0": own["start.weight"].T,
        "b_0_dec_initializer_0": own["start.bias"],
        "B_dec_transition_0": own["attention.query.weight"].T,
        "A_dec_transition_0": own["attention.key.weight"].T,
        "D_dec_transition_0": own["attention.energy"][:, None],
        "W_0_dec_hid_readout_0": own["readout.state.weight"].T,
        "b_0_dec_hid_readout_0": own["readout.state.bias"],
        "W_0_dec_prev_readout_0": own["readout.word.weight"].T,
        "W_0_dec_repr_readout": own["readout.context.weight"].T,
        "W1_dec_deep_softmax": own["readout.low.weight"].T,
        "W2_dec_deep_softmax": own["readout.output.weight"].T,
        "b_dec_deep_softmax": own["readout.output.bias"],
    }
    for name, ours in units.items():
        parts = own[f"{ours}.weight_input"].chunk(3)
        theirs |= {f"W_0_{name}_{gate}_embdr_0": w.T for gate, w in zip(GATES, parts)}
        theirs[f"b_0_{name}_input_embdr_0"] = own[f"{ours}.bias"].chunk(3)[2]
        update, reset = own[f"{ours}.weight_gates"].chunk(2)
        theirs[f"G_{name}_transition_0"], theirs[f"R_{name}_transition_0"] = update.T, reset.T
        theirs[f"W_{name}_transition_0"] = own[f"{ours}.weight_state"].T
    for part, w in zip(CONTEXT, own["unit.weight_context"].chunk(3)):
        theirs[f"W_0_dec_{part}_0"] = w.T
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def groundhog_shapes(c: TranslatorConfig) -> dict[str, tuple[int, ...]]:
    """Return names and shapes in a GroundHog file of RNNsearch."""
    m, n, h, a, two_l = (c.embedding_size, c.encoder_size, c.decoder_size, c.alignment_size,
                         2 * c.maxout_size)  # fmt: skip
    rank, shapes = c.output_rank or 0, {}
    for side, rows in (("enc", c.source_vocab_size), ("dec", c.target_vocab_size)):
        shapes |= {f"W_0_{side}_approx_embdr": (rows, m), f"b_0_{side}_approx_embdr": (m,)}
    for side, size in (("enc", n), ("back_enc", n), ("dec", h)):
        shapes |= {f"W_0_{side}_{gate}_embdr_0": (m, size) for gate in GATES}
        shapes |= {f"{x}_{side}_transition_0": (size, size) for x in "WGR"}
        shapes[f"b_0_{side}_input_embdr_0"] = (size,)
    shapes |= {f"W_0_dec_{part}_0": (2 * n, h) for part in CONTEXT}
    return shapes | {
        "A_dec_transition_0": (2 * n, a), "B_dec_transition_0": (h, a),
        "D_dec_transition_0": (a, 1),
        "W_0_dec_initializer_0": (n, h), "b_0_dec_initializer_0": (h,),
        "W_0_dec_hid_readout_0": (h, two_l), "b_0_dec_hid_readout_0": (two_l,),
        "W_0_dec_prev_readout_0": (m, two_l), "W_0_dec_repr_readout": (2 * n, two_l),
        "W1_dec_deep_softmax": (c.maxout_size, rank),
        "W2_dec_deep_softmax": (rank, c.target_vocab_size),
        "b_dec_deep_softmax": (c.target_vocab_size,),
    }  # fmt: skip


def groundhog_names() -> set[str]:
    """Return the names in a GroundHog file of RNNsearch."""
    return set(groundhog_shapes(PRESETS["groundhog-search"]))


def from_torch_gru(state: Mapping[str, Tensor]) -> GatedUnit:
    """Return a unit with ``reset="after"`` that does what a one-layer ``torch.nn.GRU`` does.

    Torch's rows are r, z, n, and its z keeps the old state: rows change places, z's change sign.

    Raises:
        ValueError: names that are missing or unexpected (several layers or directions), no biases,
            or wrong shapes.
    """
    names = [f"{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")]
    check_names(state, names)
    w_ih, w_hh, b_ih, b_hh = (state[name].detach() for name in names)
    h = w_hh.shape[-1]
    if w_hh.shape != (3 * h, h) or w_ih.shape[0] != 3 * h or b_ih.shape != b_hh.shape:
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        raise ValueError(f"expected three rows of each matrix for a unit, got {shapes}")
    (ir, iz, i_n), (hr, hz, hn) = w_ih.chunk(3), w_hh.chunk(3)
    (jr, jz, jn), (kr, kz, kn) = b_ih.chunk(3), b_hh.chunk(3)
    with torch.device("meta"):
        unit = GatedUnit(w_ih.shape[1], h, reset="after")
    ours = {
        "weight_input": torch.cat([-iz, ir, i_n]), "weight_gates": torch.cat([-hz, hr]),
        "weight_state": hn.clone(), "bias": torch.cat([-jz - kz, jr + kr, jn]),
        "bias_state": kn.clone(),
    }  # fmt: skip
    return fill(unit, ours)


def to_torch_gru(unit: GatedUnit) -> dict[str, Tensor]:
    """Return a unit's weights for a one-layer ``torch.nn.GRU``.

    Raises:
        ValueError: a unit that torch has not: the paper's reset, a context, or no biases.
    """
    if unit.reset != "after" or unit.weight_context is not None or unit.bias is None:
        raise ValueError(
            "torch.nn.GRU has its reset gate after the product, biases and no context: "
            f"got reset={unit.reset!r}, context_size={unit.context_size}, "
            f"bias={unit.bias is not None}"
        )
    z, r, n = unit.weight_input.detach().chunk(3)
    uz, ur = unit.weight_gates.detach().chunk(2)
    bz, br, bn = unit.bias.detach().chunk(3)
    inside = unit.bias_state.detach()  # type: ignore
    return {
        "weight_ih_l0": torch.cat([r, -z, n]),
        "weight_hh_l0": torch.cat([ur, -uz, unit.weight_state.detach()]),
        "bias_ih_l0": torch.cat([br, -bz, bn]),
        "bias_hh_l0": torch.cat([torch.zeros_like(inside).repeat(2), inside]),
    }


def from_keras_gru(arrays: Sequence[Any]) -> GatedUnit:
    """Return the paper's unit from the weights of ``keras.layers.GRU(reset_after=False)``.

    Keras' columns are z, r, candidate, and its z keeps the old state.

    Args:
        arrays: ``layer.get_weights()``: kernel (I, 3H), recurrent kernel (H, 3H), bias (3H,).

    Raises:
        ValueError: other arrays; a bias of two rows belongs to ``reset_after=True``.
    """
    shapes = [np.shape(a) for a in arrays]
    h = shapes[1][0] if len(shapes) == 3 and len(shapes[1]) == 2 else 0
    if not h or shapes[1] != (h, 3 * h) or shapes[0][1:] != (3 * h,) or shapes[2] != (3 * h,):
        raise ValueError(
            "expected kernel (I, 3H), recurrent kernel (H, 3H) and bias (3H,) "
            f"of a GRU with reset_after=False, got shapes {shapes}"
        )
    kernel, back, bias = (torch.as_tensor(np.array(a)) for a in arrays)
    sign = torch.cat([-bias.new_ones(h), bias.new_ones(2 * h)])[:, None]
    with torch.device("meta"):
        unit = GatedUnit(len(kernel), h)
    ours = {
        "weight_input": sign * kernel.T, "weight_gates": (sign * back.T)[: 2 * h].contiguous(),
        "weight_state": back.T[2 * h :].contiguous(), "bias": sign[:, 0] * bias,
    }  # fmt: skip
    return fill(unit, ours)


def to_keras_gru(unit: GatedUnit) -> list[np.ndarray]:
    """Return a unit's weights for ``keras.layers.GRU(reset_after=False).set_weights``.

    Raises:
        ValueError: a reset after the product, a context, or no biases.
    """
    if unit.reset != "before" or unit.weight_context is not None or unit.bias is None:
        raise ValueError(
            "these weights are for GRU(reset_after=False), which has no context: got "
            f"reset={unit.reset!r}, context_size={unit.context_size}, bias={unit.bias is not None}"
        )
    h = unit.hidden_size
    sign = torch.cat([-unit.bias.new_ones(h), unit.bias.new_ones(2 * h)])[:, None]
    back = torch.cat([unit.weight_gates, unit.weight_state])
    parts = (sign * unit.weight_input).T, (sign * back).T, sign[:, 0] * unit.bias
    return [part.detach().cpu().float().numpy().copy() if part.dtype == torch.bfloat16
            else part.detach().cpu().numpy().copy() for part in parts]  # fmt: skip


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """Return the state dict in a file: safetensors, ``torch.save`` or ``numpy.savez``.

    Wrappers are undone: ``{"state_dict": …}``, ``{"model": …}``, "module.", "_orig_mod.".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no state dict, or cannot be read; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        if path.suffix == ".safetensors":
            state: Any = load_file(path)
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                state = {name: torch.from_numpy(arrays[name].copy()) for name in arrays.files}
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged files raise half a dozen types, and torch's text advises to execute the file.
        why = "it holds more than weights" if "weights_only" in str(error) else "it is damaged"
        raise ValueError(f"{path} holds no weights that can be read: {why}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state:
        raise ValueError(f"{path} holds no state dict, but {type(state).__name__}")
    check_tensors(state, str(path))
    for prefix in ("module.", "_orig_mod.", "module."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return dict(state)


def save(
    path: str | os.PathLike, state: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write a state dict as safetensors, atomically; a tensor under two names is written twice."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    try:
        save_file(tensors, temporary, metadata)
        os.replace(temporary, path)
    finally:  # a full disk leaves nothing behind
        temporary.unlink(missing_ok=True)


def check_names(state: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise a ValueError unless a state dict has these names, all of them and no other."""
    check_tensors(state)
    wrong = [f"missing {name}" for name in sorted(set(names) - state.keys())]
    wrong += [f"unexpected {name}" for name in sorted(state.keys() - set(names))]
    if wrong:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong)}")


def check_tensors(state: Mapping[Any, Any], where: str = "state") -> None:
    """Raise a ValueError unless all names are text and all values tensors."""
    wrong = [f"{k!r}: {type(v).__name__}" for k, v in state.items()
             if not isinstance(k, str) or not isinstance(v, Tensor)]  # fmt: skip
    if wrong:
        raise ValueError(f"{where} must map names to tensors, got {'; '.join(wrong[:5])}")


def fill(module: Any, state: Mapping[str, Tensor]) -> Any:
    """Load strictly into a module on the meta device; the tensors become its own.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message.
    """
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
