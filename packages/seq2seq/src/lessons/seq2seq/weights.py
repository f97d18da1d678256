"""Weights in other layouts: torch's LSTMs, and ONNX's, which has peepholes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .config import PRESETS
from .files import State, check_tensors, filled, matched
from .lstm import LSTM
from .model import Seq2Seq

PARTS = {
    "source_embedding": "source", "encoder": "encoder", "target_embedding": "target",
    "decoder": "decoder", "output": "output",
}  # fmt: skip


def from_torch_lstm(state_dict: Mapping[str, Tensor]) -> LSTM:
    """Return the LSTM of a ``torch.nn.LSTM``'s state dict, one direction, in eval mode.

    torch adds two biases where we have one.

    Raises:
        ValueError: other names or shapes: two directions, projections, missing layers.
    """
    check_tensors(state_dict)
    layers = sum(name.startswith("weight_hh_l") for name in state_dict)
    other = sorted(name for name in state_dict if name.endswith("_reverse") or "_hr_" in name)
    if not layers or other:
        what = f"it has {other[0]!r}" if other else "it has no weight_hh_l0"
        raise ValueError(f"expected the state dict of a one-directional torch.nn.LSTM: {what}")
    first = state_dict.get("weight_ih_l0")
    recurrent = state_dict.get("weight_hh_l0")
    if first is None or recurrent is None or first.dim() != 2 or recurrent.dim() != 2:
        raise ValueError("expected matrices weight_ih_l0 and weight_hh_l0")
    bias = "bias_ih_l0" in state_dict
    with torch.device("meta"):
        net = LSTM(first.shape[1], recurrent.shape[1], layers, bias=bias)
    ours = dict(state_dict)
    if bias:
        for l in range(layers):
            pair = [ours.pop(f"bias_{kind}_l{l}", None) for kind in ("ih", "hh")]
            if any(b is None for b in pair):
                raise ValueError(f"expected both bias_ih_l{l} and bias_hh_l{l}")
            ours[f"bias_l{l}"] = pair[0] + pair[1]  # type: ignore
    return filled(net, matched(net.state_dict(), ours, lambda name: name))  # type: ignore


def to_torch_lstm(net: LSTM) -> State:
    """Return weights for ``torch.nn.LSTM(input_size, hidden_size, num_layers, bias=…)``.

    Raises:
        ValueError: peepholes, which torch has not, or a standard recurrent net.
    """
    if net.peephole or net.cell != "lstm":
        what = "peepholes" if net.peephole else f"cell={net.cell!r}"
        raise ValueError(f"torch.nn.LSTM cannot compute {what}")
    found = {}
    for l in range(net.num_layers):
        w_ih, w_hh, bias, _ = net.layer(l)
        found |= {f"weight_ih_l{l}": w_ih.detach().clone(),
                  f"weight_hh_l{l}": w_hh.detach().clone()}  # fmt: skip
        if bias is not None:
            found |= {f"bias_ih_l{l}": bias.detach().clone(),
                      f"bias_hh_l{l}": torch.zeros_like(bias)}  # fmt: skip
    return found


def from_torch(state_dict: Mapping[str, Tensor], **changes: Any) -> Seq2Seq:
    """Return the translator of a module in torch's parts, in eval mode.

    Its parts are named ``source`` and ``target`` (nn.Embedding), ``encoder`` and ``decoder``
    (nn.LSTM) and ``output`` (nn.Linear).

    Args:
        state_dict: of that module.
        changes: to the configuration, which else comes from the shapes, such as
            ``reverse_source``.

    Raises:
        ValueError: parts, names or shapes that do not fit.
    """
    check_tensors(state_dict)
    parts: dict[str, State] = {name: {} for name in PARTS.values()}
    for name, tensor in state_dict.items():
        part, _, rest = name.partition(".")
        if part not in parts or not rest:
            known = ", ".join(parts)
            raise ValueError(f"unexpected {name!r}: the parts are {known}")
        parts[part][rest] = tensor
    nets = {name: from_torch_lstm(parts[name]) for name in ("encoder", "decoder")}
    for part in ("source", "target", "output"):
        if "weight" not in parts[part]:
            raise ValueError(f"state_dict has no '{part}.weight'")
    source, target = parts["source"]["weight"], parts["target"]["weight"]
    encoder, decoder = nets["encoder"], nets["decoder"]
    sizes = [(net.num_layers, net.hidden_size) for net in (encoder, decoder)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"encoder and decoder must agree in (layers, hidden_size), got {sizes}")
    biases = {encoder.bias, decoder.bias, "bias" in parts["output"]}
    if len(biases) > 1:
        raise ValueError("encoder, decoder and output must all have biases, or none")
    config = dataclasses.replace(
        PRESETS["desk"], source_vocab_size=len(source), target_vocab_size=len(target),
        embedding_size=source.shape[-1], hidden_size=encoder.hidden_size,
        num_layers=encoder.num_layers, bias=encoder.bias, **changes,
    )  # fmt: skip
    with torch.device("meta"):
        model = Seq2Seq(config)
    ours = {f"source_embedding.{k}": v for k, v in parts["source"].items()}
    ours |= {f"target_embedding.{k}": v for k, v in parts["target"].items()}
    ours |= {f"output.{k}": v for k, v in parts["output"].items()}
    for name, net in nets.items():
        ours |= {f"{name}.{k}": v for k, v in net.state_dict().items()}
    model = filled(model, matched(model.state_dict(), ours, lambda name: name))
    if config.tie:
        model.output.weight = model.target_embedding.weight  # type: ignore
    return model  # type: ignore


def to_torch(model: Seq2Seq) -> State:
    """Return a translator's weights under the names that `from_torch` reads.

    Raises:
        ValueError: peepholes or a standard recurrent net: torch.nn.LSTM has neither.
    """
    found = {}
    for ours, theirs in PARTS.items():
        part = getattr(model, ours)
        state = to_torch_lstm(part) if isinstance(part, LSTM) else part.state_dict()
        found |= {f"{theirs}.{name}": t.detach().clone() for name, t in state.items()}
    return found


def to_onnx(net: LSTM) -> list[dict[str, np.ndarray]]:
    """Return each layer's W, R, B and P for ONNX's LSTM, whose gates are i, o, f, c.

    Raises:
        ValueError: a standard recurrent net.
    """
    if net.cell != "lstm":
        raise ValueError(f"ONNX's LSTM cannot compute cell={net.cell!r}")
    layers = []
    for l in range(net.num_layers):
        w_ih, w_hh, bias, peephole = net.layer(l)
        bias = torch.zeros_like(w_hh[:, 0]) if bias is None else bias
        zeros = w_hh.new_zeros(3, net.hidden_size) if peephole is None else peephole
        found = {"W": _iofc(w_ih), "R": _iofc(w_hh),
                 "B": torch.cat([_iofc(bias), torch.zeros_like(bias)]),
                 "P": zeros[[0, 2, 1]].flatten()}  # fmt: skip
        layers.append({k: v.detach().cpu().numpy()[None].copy() for k, v in found.items()})
    return layers


def from_onnx(layers: Sequence[Mapping[str, Any]]) -> LSTM:
    """Return the LSTM of ONNX's W, R, B and P, a layer each, one direction; in eval mode.

    Raises:
        ValueError: arrays that are missing or have other shapes.
    """
    shapes = [{k: np.shape(v) for k, v in layer.items()} for layer in layers]
    ok = bool(layers)
    for k, each in enumerate(shapes):
        h = each.get("R", (0, 0, 0))[-1]
        inputs = each.get("W", (0, 0, 0))[-1] if k == 0 else shapes[0]["R"][-1]
        ok = ok and h > 0 and each == {
            "W": (1, 4 * h, inputs), "R": (1, 4 * h, h), "B": (1, 8 * h), "P": (1, 3 * h)
        }  # fmt: skip
    if not ok:
        raise ValueError(
            "expected of each layer W (1, 4H, I), R (1, 4H, H), B (1, 8H) and P (1, 3H), "
            f"got {shapes}"
        )
    state = {}
    for l, layer in enumerate(layers):
        w, r, b, p = (torch.as_tensor(np.array(layer[k]))[0] for k in "WRBP")
        state |= {f"weight_ih_l{l}": _ifgo(w), f"weight_hh_l{l}": _ifgo(r),
                  f"bias_l{l}": _ifgo(b[: len(b) // 2] + b[len(b) // 2 :]),
                  f"peephole_l{l}": p.view(3, -1)[[0, 2, 1]]}  # fmt: skip
    hidden, inputs = shapes[0]["R"][-1], shapes[0]["W"][-1]
    with torch.device("meta"):
        net = LSTM(inputs, hidden, len(layers), peephole=True)
    return filled(net, matched(net.state_dict(), state, lambda name: name))  # type: ignore


def _iofc(rows: Tensor) -> Tensor:
    i, f, g, o = rows.chunk(4)
    return torch.cat([i, o, f, g])


def _ifgo(rows: Tensor) -> Tensor:
    i, o, f, g = rows.chunk(4)
    return torch.cat([i, f, g, o])
