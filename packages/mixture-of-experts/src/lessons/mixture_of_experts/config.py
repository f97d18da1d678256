"""The paper's language models: what they are made of, and all of Tables 7 and 8 by name.

Counts leave out embedding and softmax, as the paper's do; both matrices of a gate are in them.
"""

import dataclasses
from typing import Any

MATRICES = {"noisy_topk": 2, "topk": 1, "softmax": 1, "strict": 1}  # of a gate


@dataclasses.dataclass(frozen=True)
class MoEConfig:
    """The sizes of a model: embedding, LSTM, a middle, LSTM, softmax (App. C.1).

    Attributes:
        vocab_size: words or pieces.
        width: of embedding, layers and what passes between them.
        lstm_units: of each LSTM; other than `width`, its output is projected to it (Sak et al.
            2014). None: `width`.
        lstm_layers: how many; a mixture stands behind the first of them.
        num_experts: in the mixture; 0: no mixture, 1: one network for all, without a gate.
        hidden: units of an expert's hidden layers. depth: how many hidden layers it has.
        k: experts a token; at each of two levels, if there are `groups`.
        groups: a, of the hierarchical mixture; None: a flat one.
        dropout: of every layer's output but the softmax's.
        w_importance, w_load: of the balancing losses.
        gate: see `SparseMoE`. noise_eps: see `NoisyTopKGate`.
        dispatch: see `MoELayer`. recompute: see `Experts`.
    """

    vocab_size: int = 793_471
    width: int = 512
    lstm_units: int | None = None
    lstm_layers: int = 2
    num_experts: int = 0
    hidden: int = 1024
    depth: int = 1
    k: int = 4
    groups: int | None = None
    dropout: float = 0.1
    w_importance: float = 0.1
    w_load: float = 0.1
    gate: str = "noisy_topk"
    noise_eps: float = 0.0
    dispatch: str = "auto"
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "width", "lstm_layers", "hidden", "depth", "k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_experts < 0:
            raise ValueError(f"num_experts must not be negative, got {self.num_experts}")
        if self.lstm_units is not None and self.lstm_units < 1:
            raise ValueError(f"lstm_units must be at least 1, got {self.lstm_units}")
        if self.gate not in MATRICES:
            raise ValueError(f"gate must be one of {tuple(MATRICES)}, got {self.gate!r}")
        if self.groups is not None and self.gate != "noisy_topk":
            raise ValueError(f"two levels have noisy top-k gates, got gate {self.gate!r}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.groups is not None and (self.groups < 1 or self.num_experts % self.groups):
            raise ValueError(
                f"num_experts ({self.num_experts}) must be divisible by groups ({self.groups})"
            )
        if self.num_experts > 1:
            among = self.num_experts if self.groups is None else self.num_experts // self.groups
            if self.k > min(among, self.groups or among):
                raise ValueError(f"k ({self.k}) is more than there are to choose from ({among})")

    @property
    def gate_weights(self) -> int:
        """Weights of a column of a gate: W_g's, and W_noise's where there is noise."""
        return MATRICES[self.gate] * self.width

    @property
    def units(self) -> int:
        """Units of an LSTM."""
        return self.lstm_units or self.width

    @property
    def gate_columns(self) -> int:
        """Columns of W_g in all gates."""
        if self.num_experts < 2:
            return 0
        return self.num_experts + (self.groups or 0)

    @property
    def active_columns(self) -> int:
        """Those columns that one token is multiplied with: of the chosen groups' gates only."""
        if self.groups is None:
            return self.gate_columns
        return self.groups + self.k * (self.num_experts // self.groups)

    @property
    def active_experts(self) -> int:
        """Experts that see one token."""
        return min(
            self.num_experts, 1 if self.num_experts < 2 else self.k ** (2 if self.groups else 1)
        )

    @property
    def expert_weights(self) -> int:
        """Weights of one expert."""
        return 2 * self.width * self.hidden + (self.depth - 1) * self.hidden**2

    @property
    def lstm_weights(self) -> int:
        """Weights of one LSTM layer."""
        inner = 8 * self.units * self.width
        return inner + (self.units * self.width if self.units != self.width else 0)

    @property
    def parameters(self) -> int:
        """Weights without embedding and softmax: Table 7's and 8's column."""
        return (
            self.lstm_layers * self.lstm_weights
            + self.num_experts * self.expert_weights
            + (self.gate_weights + (self.gate == "strict")) * self.gate_columns  # thresholds
        )

    @property
    def operations(self) -> int:
        """Multiply-adds a token forwards, without the softmax: the tables' ops/timestep."""
        return (
            self.lstm_layers * self.lstm_weights
            + self.active_experts * self.expert_weights
            + self.gate_weights * self.active_columns
        )

    @property
    def whole(self) -> int:
        """Multiply-adds a token forwards, with the softmax."""
        return self.operations + self.width * self.vocab_size


def _flat(num_experts: int, **more: Any) -> MoEConfig:
    return MoEConfig(num_experts=num_experts, **more)


def _tree(num_experts: int, groups: int, **more: Any) -> MoEConfig:
    return MoEConfig(num_experts=num_experts, groups=groups, k=2, **more)


NEWS: dict[str, Any] = {"dropout": 0.0}  # App. D names no dropout
PRESETS = {
    # App. C.1: 1 billion words
    "moe-4": _flat(4), "moe-32": _flat(32), "moe-256": _flat(256),
    "moe-256-h": _tree(256, 16), "moe-1024-h": _tree(1024, 16, dropout=0.2),
    "moe-4096-h": _tree(4096, 16, dropout=0.2),
    "moe-1-wide": _flat(1, hidden=4096), "moe-1-deep": _flat(1, depth=4),
    "4xlstm-512": MoEConfig(lstm_layers=4),
    "lstm-2048-512": MoEConfig(lstm_layers=1, lstm_units=2048),
    "2xlstm-8192-1024": MoEConfig(width=1024, lstm_units=8192, dropout=0.25),
    # App. C.2; the number of groups is not given: 32, as many as GPUs
    "moe-34m": _tree(1024, 32, width=1024, hidden=2048, dropout=0.3),
    "moe-143m": _tree(256, 32, width=1024, lstm_units=4096, hidden=8192, dropout=0.4),
    # App. D: 100 billion words
    "news-4xlstm-512": MoEConfig(lstm_layers=4, **NEWS),
    "news-moe-32": _flat(32, **NEWS), "news-moe-256-h": _tree(256, 32, **NEWS),
    "news-moe-1024-h": _tree(1024, 32, **NEWS), "news-moe-4096-h": _tree(4096, 64, **NEWS),
    "news-moe-16384-h": _tree(16384, 128, **NEWS), "news-moe-65536-h": _tree(65536, 256, **NEWS),
    "news-moe-131072-h": _tree(131072, 256, **NEWS),
}  # fmt: skip


def config_of(name: str, changes: dict[str, Any]) -> MoEConfig:
    """Return a preset with changes.

    Raises:
        ValueError: no such preset.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return dataclasses.replace(PRESETS[name], **changes)
