"""What an adaptation costs: numbers to train, memory in training, bytes to keep (§4.2, §5.1)."""

from torch import nn

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
MOMENTS = {"adam": 2, "momentum": 1, "sgd": 0}


def count_trainable(model: nn.Module) -> int:
    """Return how many numbers of a model are trained, shared ones once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_all(model: nn.Module) -> int:
    """Return how many numbers a model has, shared ones once."""
    return sum(p.numel() for p in model.parameters())


def training_memory(
    model: nn.Module, optimizer: str = "adam", dtype: str = "float16", state_dtype: str = "float16"
) -> dict[str, int]:
    """Return the bytes that training keeps, but for activations.

    Args:
        model: on any device, meta included.
        optimizer: "adam" (two moments), "momentum" (one) or "sgd" (none).
        dtype: of weights and gradients.
        state_dtype: of the moments.

    Returns:
        "weights", "gradients", "moments", their "total", and the "checkpoint" of what is trained.

    Raises:
        ValueError: another optimizer or type.
    """
    for name, value, known in (
        ("optimizer", optimizer, MOMENTS), ("dtype", dtype, BYTES),
        ("state_dtype", state_dtype, BYTES),
    ):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
    trained = count_trainable(model)
    found = {
        "weights": count_all(model) * BYTES[dtype],
        "gradients": trained * BYTES[dtype],
        "moments": MOMENTS[optimizer] * trained * BYTES[state_dtype],
    }
    return found | {"total": sum(found.values()), "checkpoint": trained * BYTES[dtype]}


def lora_count(matrices: int, d_model: int, r: int) -> int:
    r"""Return $|\Theta| = 2 \hat L_{LoRA} d_{model} r$, of square matrices (§5.1)."""
    return 2 * matrices * d_model * r


def adapter_count(adapters: int, d_model: int, r: int, norms: int = 0) -> int:
    r"""Return $\hat L_{Adpt} (2 d_{model} r + r + d_{model}) + 2 \hat L_{LN} d_{model}$ (§5.1)."""
    return adapters * (2 * d_model * r + r + d_model) + 2 * norms * d_model


def prefix_embedding_count(d_model: int, prefix: int, infix: int = 0) -> int:
    r"""Return $d_{model} (l_p + l_i)$ (§5.1)."""
    return d_model * (prefix + infix)


def prefix_layer_count(layers: int, d_model: int, prefix: int, infix: int = 0) -> int:
    r"""Return $L d_{model} (l_p + l_i)$ (§5.1)."""
    return layers * d_model * (prefix + infix)
