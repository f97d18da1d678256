"""The language model around the layer: LSTM, mixture, LSTM (Figure 1; App. C.1).

Shapes: B batch, T time steps, D width, V vocabulary.
"""

import contextlib
from collections.abc import Generator
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import MoEConfig, config_of
from .experts import Experts
from .layer import HierarchicalMoE, SparseMoE, Stats

State = list[tuple[Tensor, Tensor]]


class Output(NamedTuple):
    """What the model says of a text.

    Attributes:
        logits: (B, T, V) of the next piece. state: of the LSTMs, for what follows. aux: the
            balancing losses. stats: of the mixture; None if there is none.
    """

    logits: Tensor
    state: State
    aux: Tensor
    stats: Stats | None


class ProjectedLSTM(nn.LSTM):
    """One layer of LSTM without biases; its output is projected if it has more units than width.

    "The next timestep of the LSTM receives the projected output" (App. C.1; Sak et al. 2014).
    torch's kernel computes it; `test_model.py` has it written out.
    """

    def __init__(self, width: int, units: int) -> None:
        super().__init__(
            width, units, bias=False, batch_first=True, proj_size=0 if units == width else width
        )


class Dense(Experts):
    """The single "expert" of MoE-1-Wide and MoE-1-Deep: one network for all tokens, no gate."""

    def forward(self, x: Tensor) -> Tensor:
        """Return sigmoid(E(x)), (…, D)."""
        return self.run(x, self.of()[0]).sigmoid()


class MoELanguageModel(nn.Module):
    """Embedding, LSTM, mixture of experts, LSTM, softmax.

    Behind every layer but the softmax dropout, and then the layer's input is added (App. C.1).

    Args:
        config: sizes.
        generator: randomness of first weights; None: torch's own.
    """

    def __init__(self, config: MoEConfig, generator: torch.Generator | None = None) -> None:
        super().__init__()
        c = self.config = config
        self.embedding = nn.Embedding(c.vocab_size, c.width)
        self.lstms = nn.ModuleList(ProjectedLSTM(c.width, c.units) for _ in range(c.lstm_layers))
        self.middle = self._middle(generator)
        self.softmax = nn.Linear(c.width, c.vocab_size, bias=False)
        self.dropout = nn.Dropout(c.dropout)
        if not self.softmax.weight.is_meta:
            nn.init.normal_(self.embedding.weight, generator=generator)
            for weight in (*self.lstms.parameters(), self.softmax.weight):
                bound = weight.shape[1] ** -0.5
                nn.init.uniform_(weight, -bound, bound, generator=generator)

    def _middle(self, generator: torch.Generator | None) -> nn.Module | None:
        c = self.config
        if not c.num_experts:
            return None
        if c.num_experts == 1:
            return Dense(1, c.width, c.hidden, None, "relu", c.depth, False, c.recompute, generator)
        shared: dict[str, Any] = {
            "w_importance": c.w_importance, "w_load": c.w_load, "noise_eps": c.noise_eps,
            "dispatch": c.dispatch, "recompute": c.recompute, "output_activation": "sigmoid",
            "generator": generator,
        }  # fmt: skip
        shared["depth"] = c.depth
        if c.groups is not None:
            size = c.num_experts // c.groups
            return HierarchicalMoE(c.width, c.hidden, c.groups, size, c.k, **shared)
        return SparseMoE(c.width, c.hidden, c.num_experts, c.k, gate=c.gate, **shared)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Return a model of the paper's by its name in `PRESETS`, with changes.

        Raises:
            ValueError: no such preset.
        """
        return cls(config_of(name, changes), generator)

    def forward(
        self, ids_BT: Tensor, state: State | None = None, generator: torch.Generator | None = None
    ) -> Output:
        """Return the logits of what follows each piece.

        Args:
            ids_BT: pieces.
            state: of an earlier part of the same texts.
            generator: randomness of the gate's noise (not of dropout).

        Raises:
            ValueError: ids that are not (B, T).
        """
        hidden_BTD, after, aux, stats = self.hidden(ids_BT, state, generator)
        return Output(self.softmax(hidden_BTD), after, aux, stats)

    def hidden(
        self, ids_BT: Tensor, state: State | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, State, Tensor, Stats | None]:
        """Return what the softmax sees (B, T, D), and all else of `Output`."""
        if ids_BT.dim() != 2:
            raise ValueError(f"ids must be (batch, time), got shape {tuple(ids_BT.shape)}")
        x_BTD = self.dropout(self.embedding(ids_BT))
        after: State = []
        aux, stats = x_BTD.new_zeros(()), None
        for i, lstm in enumerate(self.lstms):
            y_BTD, memory = lstm(x_BTD, None if state is None else state[i])
            after.append(memory)
            x_BTD = x_BTD + self.dropout(y_BTD)
            if i == 0 and self.middle is not None:
                y_BTD, aux, stats = self.mix(x_BTD, generator)
                x_BTD = x_BTD + self.dropout(y_BTD)
        return x_BTD, after, aux, stats

    def mix(
        self, x_BTD: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Stats | None]:
        """Return what the middle makes of all time steps at once (§3.1)."""
        if isinstance(self.middle, Dense):
            return self.middle(x_BTD), x_BTD.new_zeros(()), None
        assert self.middle is not None
        return self.middle(x_BTD, generator=generator)

    def loss(
        self, ids_BT: Tensor, state: State | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, State, Stats | None]:
        """Return nats a piece, the balancing losses, state and `Stats`.

        Args:
            ids_BT: pieces; all but the first are predicted.
            state: of an earlier part of the same texts, up to `ids_BT`'s first piece.
            generator: randomness of the gate's noise.
        """
        hidden_BTD, after, aux, stats = self.hidden(ids_BT[:, :-1], state, generator)
        logits_AV = self.softmax(hidden_BTD).flatten(0, 1)
        return F.cross_entropy(logits_AV.float(), ids_BT[:, 1:].flatten()), aux, after, stats

    @torch.no_grad()
    def route(self, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Return each piece's experts (B, T, K) and their weights, the largest first.

        They are those without noise and dropout, in whatever mode the model is.

        Raises:
            ValueError: the model has no gate, or one that gives pieces unequally many experts.
        """
        if self.config.num_experts < 2:
            raise ValueError("this model has no gate, hence nothing to choose")
        if self.config.gate == "strict":
            raise ValueError("gate 'strict' gives no piece a fixed number of experts to list")
        with evaluating(self):
            x_BTD = self.embedding(ids_BT)
            x_BTD = x_BTD + self.lstms[0](x_BTD)[0]
            gating = self.middle.gate(x_BTD.flatten(0, 1))  # type: ignore
        k = self.config.active_experts
        # Two levels list their entries by group: sorted by token again.
        order = gating.token.argsort(stable=True)
        weight_AK = gating.weight[order].view(-1, k)
        best = weight_AK.argsort(-1, descending=True)
        expert_AK = gating.expert[order].view(-1, k).gather(1, best)
        shape = (*ids_BT.shape, k)
        return expert_AK.view(shape), weight_AK.gather(1, best).view(shape)

    @torch.no_grad()
    def generate(
        self, ids_BT: Tensor, length: int, temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        """Return texts continued by ``length`` pieces, (B, T + length); 0 degrees take the best.

        Each step computes one piece: what came before is in the state.

        Raises:
            ValueError: no pieces to begin with, a negative length or temperature.
        """
        if not ids_BT.shape[1] or length < 0 or temperature < 0:
            raise ValueError(
                f"a beginning, length ≥ 0 and temperature ≥ 0 are needed, got "
                f"{tuple(ids_BT.shape)}, {length}, {temperature}"
            )
        state, piece, found = None, ids_BT, [ids_BT]
        with evaluating(self):
            for _ in range(length):
                hidden_BTD, state, _, _ = self.hidden(piece, state)
                logits_BV = self.softmax(hidden_BTD[:, -1]).float()
                if temperature == 0:
                    piece = logits_BV.argmax(-1, keepdim=True)
                else:
                    chances = (logits_BV / temperature).softmax(-1)
                    piece = torch.multinomial(chances, 1, generator=generator)
                found.append(piece)
        return torch.cat(found, 1)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Generator[None]:
    """Leave out noise and dropout for a while; afterwards each part is in the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def count_parameters(model: nn.Module, embeddings: bool = False) -> int:
    """Return how many weights a model has; as the paper counts, without embedding and softmax."""
    skip = () if embeddings else ("embedding.", "softmax.")
    return sum(p.numel() for name, p in model.named_parameters() if not name.startswith(skip))
