"""The models that are compared, each of the same products a token, the gate's among them.

The paper's shapes at a sixteenth of its width: LSTM, middle, LSTM, 32 wide. What a gate costs is
taken from its experts' hidden layers, so that all spend 33 thousand products before the softmax.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from ..config import MoEConfig
from ..experts import Experts
from ..gating import Gating, sum_by
from ..layer import MoELayer
from ..model import MoELanguageModel

WIDTH, HIDDEN, K = 32, 64, 4
# What the paper's own presets are called here: same layers, another width.
KINDS: dict[str, dict[str, Any]] = {
    "moe-4": {"num_experts": 4},
    "moe-32": {"num_experts": 32},
    "moe-256-h": {"num_experts": 256, "groups": 16, "k": 2},
    "moe-1-wide": {"num_experts": 1, "hidden": K * HIDDEN},
    "moe-1-deep": {"num_experts": 1, "depth": 4},
    "4xlstm": {"lstm_layers": 4},
    "2xlstm-large": {"lstm_units": 256},
    # Not the paper's: capacity without a gate that learns.
    "hash": {"num_experts": 256},
}
DENSE = ("moe-1-wide", "moe-1-deep", "4xlstm")
SERIES = ("moe-4", "moe-32", "moe-256-h")
MEANT = 2 * 8 * WIDTH**2 + 2 * K * WIDTH * HIDDEN  # products before the softmax


def config(kind: str, vocab_size: int, wide: int = 1, **changes: Any) -> MoEConfig:
    """Return a model's sizes; those with a gate get hidden layers that pay for it.

    ``wide`` multiplies all widths; with 16 they are the paper's.
    """
    own: dict[str, Any] = {"hidden": HIDDEN, **KINDS[kind]}
    for name in ("hidden", "lstm_units"):
        if name in own:
            own[name] *= wide
    width = WIDTH * wide
    made = MoEConfig(vocab_size=vocab_size, width=width, dropout=0.0, **own)
    if made.num_experts > 1 and kind != "hash":
        free = MEANT * wide**2 - 2 * made.lstm_weights - 2 * width * made.active_columns
        made = dataclasses.replace(made, hidden=round(free / (2 * width * made.active_experts)))
    return dataclasses.replace(made, **changes)


def build(kind: str, vocab_size: int, seed: int, wide: int = 1, **changes: Any) -> MoELanguageModel:
    """Return a model with first weights of its seed."""
    generator = torch.Generator().manual_seed(seed)
    c = config(kind, vocab_size, wide, **changes)
    if kind == "hash":
        model = MoELanguageModel(dataclasses.replace(c, num_experts=0), generator)
        seen = Seen(model.embedding)
        model.embedding = seen  # type: ignore
        experts = Experts(c.num_experts, c.width, c.hidden, generator=generator)
        gate = HashGate(seen, vocab_size, c.width, c.num_experts, generator)
        model.middle = MoELayer(experts, gate, 0.0, 0.0, output_activation="sigmoid")
        return model
    return MoELanguageModel(c, generator)


class Seen(nn.Module):
    """An embedding that remembers the pieces it was asked for."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding
        self.ids: Tensor | None = None

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Return vectors."""
        self.ids = ids_BT
        return self.embedding(ids_BT)


class HashGate(nn.Module):
    """Four experts for each piece, drawn once and kept: nothing is learned (Roller et al. 2021).

    https://arxiv.org/abs/2106.04426
    """

    def __init__(self, seen: Seen, vocab_size: int, width: int, n: int, generator) -> None:
        super().__init__()
        self.seen, self.width, self.num_experts, self.k = [seen], width, n, K
        order = torch.rand(vocab_size, n, generator=generator).argsort(1)[:, :K]
        self.register_buffer("table_VK", order)

    def forward(self, x_TD: Tensor, generator: torch.Generator | None = None) -> Gating:
        """Return the gating of the pieces that the embedding saw last."""
        ids = self.seen[0].ids
        assert ids is not None
        expert = self.table_VK[ids.flatten()].flatten()  # type: ignore
        weight = x_TD.new_full((len(expert),), 1 / K)
        token = torch.arange(len(x_TD), device=x_TD.device).repeat_interleave(K)
        counts = sum_by(torch.ones_like(weight), expert, self.num_experts)
        return Gating(token, expert, weight, counts / K, counts, x_TD.new_zeros(()))
