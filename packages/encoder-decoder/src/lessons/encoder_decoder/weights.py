"""Weights from and to files: ours, GroundHog's (the authors' code), g2p's, GRUs of torch, Keras."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .config import GATES, PRESETS, Reset, check_reset
from .gru import GRU
from .model import RNNEncoderDecoder

# GroundHog keeps W, U and C of reset gate, update gate and candidate apart, transposed.
KINDS = ("reset", "update", "input")
BACK = ("R", "G", "W")
CONTEXT = ("dec_reseter", "dec_updater", "dec_inputter")
# Its update gate lets the new state in, the paper's keeps the old one: σ(−x) = 1 − σ(x).
SIGNS = (1, -1, 1)
G2P = {
    "enc_emb": "encoder.embedding.weight", "dec_emb": "decoder.embedding.weight",
    "fc_w": "decoder.readout.output.weight", "fc_b": "decoder.readout.output.bias",
} | {
    f"{side}_{short}": f"{whole}.gru.{name}_l0"
    for side, whole in (("enc", "encoder"), ("dec", "decoder"))
    for short, name in (("w_ih", "weight_ih"), ("w_hh", "weight_hh"), ("b_ih", "bias_ih"),
                        ("b_hh", "bias_hh"))
}  # fmt: skip


def from_groundhog(state: Mapping[str, Any], **changes: Any) -> RNNEncoderDecoder:
    """Return the model of a GroundHog file (``phrase_model.npz``), by the paper's own code.

    It takes c = h_N without V, reads the first word from h'_0 without a step before it, lets the
    *new* state in where its update gate is open, and has no biases at the gates.

    Args:
        state: names and arrays or tensors, such as ``load(path)`` or ``numpy.load(path)``.
        changes: to the configuration, which else comes from the shapes: ``eos_id`` is the last.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message.
    """
    found = as_tensors(state)
    check_names(found, sorted(groundhog_names()))
    source, target = (found[f"W_0_{side}_approx_embdr"] for side in ("enc", "dec"))
    config = dataclasses.replace(
        PRESETS["groundhog"],
        source_vocab_size=len(source),
        target_vocab_size=len(target),
        embedding_size=source.shape[-1],
        hidden_size=len(found["W_enc_transition_0"]),
        maxout_size=len(found["W1_dec_deep_softmax"]),
        output_rank=found["W1_dec_deep_softmax"].shape[-1],
        eos_id=changes.pop("eos_id", len(target) - 1),
        **changes,
    )
    ours = {
        "encoder.embedding.weight": source + found["b_0_enc_approx_embdr"],
        "decoder.embedding.weight": target + found["b_0_dec_approx_embdr"],
        "decoder.start.weight": found["W_0_dec_initializer_0"].T,
        "decoder.start.bias": found["b_0_dec_initializer_0"],
        "decoder.readout.state.weight": found["W_0_dec_hid_readout_0"].T,
        "decoder.readout.state.bias": found["b_0_dec_hid_readout_0"],
        "decoder.readout.word.weight": found["W_0_dec_prev_readout_0"].T,
        "decoder.readout.context.weight": found["W_0_dec_repr_readout"].T,
        "decoder.readout.low.weight": found["W1_dec_deep_softmax"].T,
        "decoder.readout.output.weight": found["W2_dec_deep_softmax"].T,
        "decoder.readout.output.bias": found["b_dec_deep_softmax"],
    }
    for theirs, name in (("enc", "encoder.gru"), ("dec", "decoder.gru")):
        bias = found[f"b_0_{theirs}_input_embdr_0"]
        ours |= {
            f"{name}.weight_ih_l0": torch.cat(
                [s * found[f"W_0_{theirs}_{kind}_embdr_0"].T for s, kind in zip(SIGNS, KINDS)]
            ),
            f"{name}.weight_hh_l0": torch.cat(
                [s * found[f"{back}_{theirs}_transition_0"].T for s, back in zip(SIGNS, BACK)]
            ),
            f"{name}.bias_ih_l0": torch.cat([torch.zeros_like(bias).repeat(2), bias]),
        }
    ours["decoder.gru.weight_ch_l0"] = torch.cat(
        [s * found[f"W_0_dec_{part}_0"].T for s, part in zip(SIGNS, CONTEXT)]
    )
    with torch.device("meta"):
        model = RNNEncoderDecoder(config)
    return fill(model, ours).eval()


def to_groundhog(model: RNNEncoderDecoder) -> dict[str, Tensor]:
    """Return a model's weights under GroundHog's names.

    Raises:
        ValueError: what GroundHog's model has not: V, a step before the first word, gates with
            biases, G as one matrix, a reset after the product, another readout.
    """
    c, own = model.config, {k: v.detach().clone() for k, v in model.state_dict().items()}
    units = {"enc": "encoder.gru", "dec": "decoder.gru"}
    wrong = [] if not c.code_layer else ["V (code_layer)"]
    wrong += [] if not c.first_step else ["a step before the first word"]
    wrong += [] if c.start_layer and c.context else ["a vector that is the first state alone"]
    wrong += [] if c.maxout_size and c.output_rank else ["G as one matrix, or no maxout layer"]
    wrong += [] if c.encoder_reset == c.decoder_reset == "before" else ["a reset after the product"]
    wrong += [] if c.bias and c.gates == GATES else ["no biases, or not both gates"]
    wrong += [] if c.start_id is None else ["a start mark"]
    if not wrong:
        gates = {name: own[f"{name}.bias_ih_l0"][: 2 * c.hidden_size] for name in units.values()}
        wrong += [f"biases at the gates of {name}" for name, b in gates.items() if b.any()]
    if wrong:
        raise ValueError(f"GroundHog has no model with {', '.join(wrong)}")
    zeros = torch.zeros_like(own["encoder.embedding.weight"][0])
    theirs = {
        "W_0_enc_approx_embdr": own["encoder.embedding.weight"],
        "W_0_dec_approx_embdr": own["decoder.embedding.weight"],
        "b_0_enc_approx_embdr": zeros,
        "b_0_dec_approx_embdr": zeros.clone(),
        "W_0_dec_initializer_0": own["decoder.start.weight"].T,
        "b_0_dec_initializer_0": own["decoder.start.bias"],
        "W_0_dec_hid_readout_0": own["decoder.readout.state.weight"].T,
        "b_0_dec_hid_readout_0": own["decoder.readout.state.bias"],
        "W_0_dec_prev_readout_0": own["decoder.readout.word.weight"].T,
        "W_0_dec_repr_readout": own["decoder.readout.context.weight"].T,
        "W1_dec_deep_softmax": own["decoder.readout.low.weight"].T,
        "W2_dec_deep_softmax": own["decoder.readout.output.weight"].T,
        "b_dec_deep_softmax": own["decoder.readout.output.bias"],
    }
    for name, ours in units.items():
        theirs[f"b_0_{name}_input_embdr_0"] = own[f"{ours}.bias_ih_l0"].chunk(3)[2]
        weights = (own[f"{ours}.weight_{part}_l0"].chunk(3) for part in ("ih", "hh"))
        for s, kind, back, w, u in zip(SIGNS, KINDS, BACK, *weights):
            theirs[f"W_0_{name}_{kind}_embdr_0"] = s * w.T
            theirs[f"{back}_{name}_transition_0"] = s * u.T
    for s, part, w in zip(SIGNS, CONTEXT, own["decoder.gru.weight_ch_l0"].chunk(3)):
        theirs[f"W_0_dec_{part}_0"] = s * w.T
    return {name: tensor.contiguous() for name, tensor in theirs.items()}


def groundhog_names() -> set[str]:
    """Return the names in a GroundHog file of this paper's model."""
    names = {f"{x}_0_{side}_approx_embdr" for x in "Wb" for side in ("enc", "dec")}
    for side in ("enc", "dec"):
        names |= {f"W_0_{side}_{kind}_embdr_0" for kind in KINDS}
        names |= {f"b_0_{side}_input_embdr_0"} | {f"{x}_{side}_transition_0" for x in BACK}
    names |= {f"W_0_dec_{part}_0" for part in CONTEXT}
    names |= {f"{x}_0_dec_{part}_0" for x in "Wb" for part in ("initializer", "hid_readout")}
    names |= {"W_0_dec_prev_readout_0", "W_0_dec_repr_readout"}
    return names | {f"{x}_dec_deep_softmax" for x in ("W1", "W2", "b")}


def from_g2p(state: Mapping[str, Any]) -> RNNEncoderDecoder:
    """Return the model of ``checkpoint20.npz`` of g2p_en: from letters to phones.

    Two of torch's GRUs; the vector, h_N itself, is the decoder's first state and enters no later
    step. `spelling.say` asks it.

    Raises:
        ValueError: names that are missing or unexpected, or wrong shapes, all in one message.
    """
    found = as_tensors(state)
    check_names(found, sorted(G2P))
    config = dataclasses.replace(
        PRESETS["g2p"],
        source_vocab_size=len(found["enc_emb"]),
        target_vocab_size=len(found["dec_emb"]),
        embedding_size=found["enc_emb"].shape[-1],
        hidden_size=found["enc_w_hh"].shape[-1],
    )
    with torch.device("meta"):
        model = RNNEncoderDecoder(config)
    return fill(model, {ours: found[theirs] for theirs, ours in G2P.items()}).eval()


def to_g2p(model: RNNEncoderDecoder) -> dict[str, Tensor]:
    """Return a model's weights under the names of g2p_en.

    Raises:
        ValueError: a model of another wiring than the preset "g2p".
    """
    state = model.state_dict()
    wired = ("maxout_size", "output_rank", "encoder_reset", "decoder_reset", "code_layer",
             "start_layer", "context", "start_id", "gates", "bias", "first_step")  # fmt: skip
    wrong = [
        f"{name}={getattr(model.config, name)!r}"
        for name in wired
        if getattr(model.config, name) != getattr(PRESETS["g2p"], name)
    ]
    if wrong:
        raise ValueError(f"g2p has no model with {', '.join(wrong)}")
    return {theirs: state[ours].detach().clone() for theirs, ours in G2P.items()}


def from_torch_gru(state: Mapping[str, Tensor], reset: Reset = "after") -> GRU:
    """Return a GRU that does what the ``torch.nn.GRU`` of these weights does.

    Args:
        state: its state dict, of any number of layers, in one direction or both.
        reset: "before" is another function of the same weights: only where the candidate's
            recurrent matrix is diagonal and has no bias can it do the same.

    Raises:
        ValueError: names that are missing or unexpected, wrong shapes, an LSTM's or a plain RNN's
            rows, or weights that no gate before the product can imitate.
    """
    check_reset(reset)
    check_tensors(state)
    pattern = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")
    found = [(name, pattern.fullmatch(name)) for name in state]
    wrong = [f"unexpected {name}" for name, match in found if match is None]
    if wrong or not found:
        raise ValueError(f"state dict does not fit: {'; '.join(wrong) or 'it is empty'}")
    first = state.get("weight_hh_l0")
    if first is None or first.dim() != 2 or not first.shape[1]:
        raise ValueError("state dict does not fit: missing weight_hh_l0 of two dimensions")
    rows = len(first) / first.shape[1]
    if rows != 3:
        what = {4: "an LSTM", 1: "an RNN without gates"}.get(rows, "no GRU")
        raise ValueError(
            f"a GRU has 3 rows for a unit, and weight_hh_l0 {tuple(first.shape)} is of {what}"
        )
    layers = 1 + max(int(match[3]) for _, match in found if match)
    bias, both = (any(part in name for name in state) for part in ("bias", "_reverse"))
    with torch.device("meta"):
        wide = state["weight_ih_l0"].shape[-1] if "weight_ih_l0" in state else 1
        gru = GRU(wide, first.shape[1], layers, bias, bidirectional=both, reset="after")
    gru = fill(gru, {name: tensor.detach().clone() for name, tensor in state.items()})
    if reset == "after":
        return gru
    ours, size = {}, gru.hidden_size
    for name, tensor in gru.state_dict().items():
        if name.startswith("weight_hh") and not _diagonal(tensor[2 * size :]):
            raise ValueError(
                f"reset='before' scales the state before the product with {name}, torch after it: "
                "no weights make one of the other, unless its candidate's rows are diagonal"
            )
        if name.startswith("bias_hh"):
            if tensor[2 * size :].any():
                raise ValueError(
                    f"{name} has a candidate's part (b_hn ≠ 0), which torch's reset gate scales: "
                    "a gate before the product has nothing of the kind"
                )
            ours[name.replace("hh", "ih")] = ours[name.replace("hh", "ih")] + tensor
        else:
            ours[name] = tensor
    with torch.device("meta"):
        other = GRU(gru.input_size, size, layers, bias, bidirectional=both)
    return fill(other, ours)


def _diagonal(square: Tensor) -> bool:
    return bool((square == torch.diag(square.diagonal())).all())


def to_torch_gru(gru: GRU) -> dict[str, Tensor]:
    """Return a GRU's weights for ``torch.nn.GRU``: the same names and order.

    Raises:
        ValueError: one that torch has not: the paper's reset, a context, or not both gates.
    """
    if gru.reset != "after" or gru.context_size is not None or gru.gates != GATES:
        raise ValueError(
            "torch.nn.GRU has its reset gate after the product, both gates and no context: "
            f"got reset={gru.reset!r}, context_size={gru.context_size}, gates={gru.gates}"
        )
    return {name: tensor.detach().clone() for name, tensor in gru.state_dict().items()}


def from_keras_gru(arrays: Sequence[Any]) -> GRU:
    """Return the GRU of ``keras.layers.GRU(…).get_weights()``: columns z, r, candidate.

    Args:
        arrays: kernel (I, 3H), recurrent kernel (H, 3H), and a bias: (3H,) of
            ``reset_after=False``, which is the paper's unit, or (2, 3H) of ``reset_after=True``.

    Raises:
        ValueError: other arrays.
    """
    shapes = [np.shape(a) for a in arrays]
    h = shapes[1][0] if len(shapes) == 3 and len(shapes[1]) == 2 else 0
    fits = h and shapes[1] == (h, 3 * h) and len(shapes[0]) == 2 and shapes[0][1] == 3 * h
    if not fits or shapes[2] not in ((3 * h,), (2, 3 * h)):
        raise ValueError(
            "expected kernel (I, 3H), recurrent kernel (H, 3H) and bias (3H,) or (2, 3H) "
            f"of a GRU, got shapes {shapes}"
        )
    kernel, back, bias = (torch.as_tensor(np.array(a)) for a in arrays)
    ours = {"weight_ih_l0": _swapped(kernel.T, h), "weight_hh_l0": _swapped(back.T, h)}
    after = bias.dim() == 2
    names = ("bias_ih_l0", "bias_hh_l0") if after else ("bias_ih_l0",)
    ours |= {name: _swapped(row, h) for name, row in zip(names, bias.reshape(-1, 3 * h))}
    with torch.device("meta"):
        gru = GRU(len(kernel), h, reset="after" if after else "before")
    return fill(gru, ours)


def to_keras_gru(gru: GRU) -> list[np.ndarray]:
    """Return a GRU's weights for ``keras.layers.GRU.set_weights``.

    ``reset_after`` is False for the paper's unit, True for torch's.

    Raises:
        ValueError: several layers or directions, a context, no biases, or not both gates.
    """
    if gru.num_layers > 1 or gru.bidirectional or gru.context_size or not gru.bias \
            or gru.gates != GATES:  # fmt: skip
        raise ValueError(
            "these weights are for one layer of keras' GRU, with biases, both gates and no "
            f"context: got num_layers={gru.num_layers}, bidirectional={gru.bidirectional}, "
            f"context_size={gru.context_size}, bias={gru.bias}, gates={gru.gates}"
        )
    state, h = gru.state_dict(), gru.hidden_size
    parts = [_swapped(state[f"weight_{side}_l0"], h).T for side in ("ih", "hh")]
    biases = [_swapped(state[name], h) for name in state if name.startswith("bias")]
    parts.append(biases[0] if gru.reset == "before" else torch.stack(biases))
    return [part.detach().cpu().numpy().copy() for part in parts]


def _swapped(rows: Tensor, h: int) -> Tensor:
    """Return rows of which the first two blocks of h have changed places."""
    return torch.cat([rows[h : 2 * h], rows[:h], rows[2 * h :]])


def as_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return arrays or tensors by name as tensors of their own."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else torch.tensor(np.array(value))
        for name, value in dict(state).items()
    }


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
