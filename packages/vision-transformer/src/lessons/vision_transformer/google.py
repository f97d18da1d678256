"""Google's released files: npz archives of JAX arrays, with kernels laid out for JAX.

Shapes there: a patch kernel is (P, P, C, D), a query's (D, H, E), the output's (H, E, D), a layer's
(in, out); here (D, C, P, P), (3·H·E, D), (D, H·E) and (out, in).
"""

import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .config import Size
from .files import State, check_tensors
from .model import VisionTransformer
from .weights import KINDS, Rules, apply, built, check_plain

PREFIXES = ("opt/target/", "params/", "target/")
LAYER, HEADS = "Transformer/encoderblock_", "MultiHeadDotProductAttention_1"
NAMES: Rules = [
    (r"^backbone\.root\.", "conv_root."),
    (r"^backbone\.root_norm", "gn_root"),
    (r"^backbone\.stages\.(\d+)\.(\d+)\.", lambda m: f"block{int(m[1]) + 1}/unit{int(m[2]) + 1}/"),
    (r"/norm(\d)", r"/gn\1"),
    (r"/projection_norm", "/gn_proj"),
    (r"/projection", "/conv_proj"),
    (r"^patch_embedding", "embedding"),
    (r"^cls_token", "cls"),
    (r"^positions\.table", "Transformer/posembed_input/pos_embedding"),
    (r"^norm\.", "Transformer/encoder_norm."),
    (r"^blocks\.(\d+)\.norm1", rf"{LAYER}\1/LayerNorm_0"),
    (r"^blocks\.(\d+)\.norm2", rf"{LAYER}\1/LayerNorm_2"),
    (r"^blocks\.(\d+)\.attention\.out", rf"{LAYER}\1/{HEADS}/out"),
    (r"^blocks\.(\d+)\.attention\.qkv", rf"{LAYER}\1/{HEADS}/qkv"),
    (r"^blocks\.(\d+)\.mlp\.fc1", rf"{LAYER}\1/MlpBlock_3/Dense_0"),
    (r"^blocks\.(\d+)\.mlp\.fc2", rf"{LAYER}\1/MlpBlock_3/Dense_1"),
    (r"(LayerNorm_\d|encoder_norm|gn\w+)\.weight$", r"\1/scale"),
    (r"\.weight$", "/kernel"),
    (r"\.bias$", "/bias"),
]


def their_name(name: str) -> str:
    """Return Google's name of a tensor of ours; query, key and value count as one, "qkv"."""
    return apply(NAMES, name)


def load_npz(path: str | os.PathLike) -> State:
    """Return the arrays of an npz file as tensors, without the prefix of a training state.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no npz file, or holds what is no plain array of numbers.
    """
    path = Path(path)
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, AttributeError,
                TypeError) as error:  # fmt: skip
            raise ValueError(f"{path} is no npz file of plain arrays ({error})") from error
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in arrays):
            inner = (name for name in arrays if name.startswith(prefix))
            arrays = {name.removeprefix(prefix): arrays[name] for name in inner}
    state = {}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{path} holds {name!r} of {array.dtype}; expected plain numbers")
        native = array.astype(array.dtype.newbyteorder("="))
        state[name] = torch.from_numpy(np.ascontiguousarray(native))
    if not state:
        raise ValueError(f"{path} holds no arrays")
    return state


def save_npz(path: str | os.PathLike, state: Mapping[str, Tensor]) -> None:
    """Write tensors as an npz file: the old one stays until the new one is whole.

    Raises:
        OSError: the file cannot be written.
        ValueError: no tensors of plain numbers.
    """
    check_tensors(state)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.npz")
    try:
        np.savez(temporary, **{k: v.detach().cpu().contiguous().numpy() for k, v in state.items()})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def from_google(
    state: Mapping[str, Tensor], image_size: Size | None = None, **changes: Any
) -> VisionTransformer:
    """Return the model of one of Google's released files, hybrids included.

    Sizes come from the shapes, heads too.

    Args:
        state: ``load_npz(path)``.
        image_size: where it is not square.
        changes: fields of ``ViTConfig``. The released code computes its GELU by the tanh formula;
            ``approximate_gelu=False`` takes the exact one, as timm does with these files.

    Returns:
        The model, in eval mode.

    Raises:
        ValueError: names that are missing or too many, or a wrong shape.
    """
    check_tensors(state)
    flat: State = {}
    heads = None
    for name, tensor in state.items():
        if match := re.fullmatch(r"(.*)/(query|key|value)/(kernel|bias)", name):
            parts = [state.get(f"{match[1]}/{kind}/{match[3]}") for kind in KINDS]
            axes = 3 if match[3] == "kernel" else 2
            if any(p is None or p.dim() != axes or p.shape != tensor.shape for p in parts):
                raise ValueError(f"{name} must have {axes} axes, and query, key and value be alike")
            heads = tensor.shape[-2]
            if match[2] == "query":
                joined = torch.cat([p.flatten(-2) for p in parts if p is not None], -1)
                flat[f"{match[1]}/qkv/{match[3]}"] = joined.T if axes == 3 else joined
        elif name.endswith("/out/kernel") and tensor.dim() == 3:
            flat[name] = tensor.flatten(0, 1).T
        elif tensor.dim() == 4 and tensor.shape[:3] == (1, 1, 1) and "/gn" in f"/{name}":
            flat[name] = tensor.flatten()  # group norm's gains in older files
        elif name.endswith("kernel") and tensor.dim() == 4:
            flat[name] = tensor.permute(3, 2, 0, 1)
        elif name.endswith("kernel") and tensor.dim() == 2:
            flat[name] = tensor.T
        else:
            flat[name] = tensor
    changes = {"approximate_gelu": True} | changes
    return built(flat, their_name, heads, image_size, changes)


def to_google(model: VisionTransformer, strict: bool = True) -> State:
    """Return the weights as Google's files have them, for `save_npz`.

    Args:
        model: whose weights.
        strict: refuse another epsilon of the norms, exact GELU, a backbone with timm's numerics.

    Raises:
        ValueError: a choice that Google's model does not have.
    """
    check_plain(
        model, "Google", strict, backbone=True, gap=True, approximate_gelu=True, numerics="google"
    )
    heads, theirs = model.config.num_heads, {}
    for name, tensor in model.state_dict().items():
        other = their_name(name)
        if "/qkv/" in other:
            for kind, part in zip(KINDS, tensor.chunk(3)):
                shaped = part.T if part.dim() == 2 else part
                theirs[other.replace("/qkv/", f"/{kind}/")] = shaped.unflatten(-1, (heads, -1))
        elif other.endswith("/out/kernel"):
            theirs[other] = tensor.T.unflatten(0, (heads, -1))
        elif other.endswith("kernel") and tensor.dim() == 4:
            theirs[other] = tensor.permute(2, 3, 1, 0)
        elif other.endswith("kernel"):
            theirs[other] = tensor.T
        else:
            theirs[other] = tensor
    return theirs
