"""The model that word2vec left behind: a hidden layer between history and output (2013a, §2.1).

Shapes: B words, N words of history, D dimensions, H hidden units, V words, L longest path.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .vocabulary import Tree


@dataclasses.dataclass(frozen=True)
class NNLMConfig:
    """Sizes of the model.

    Attributes:
        vocab_size: words. vector_size: dimensions. history: words read (2013a, §4.3: 8).
        hidden_size: units of the hidden layer (§4.3: as many as dimensions).
    """

    vocab_size: int
    vector_size: int = 640
    history: int = 8
    hidden_size: int = 640

    def __post_init__(self) -> None:
        """Refuse sizes that make no model."""
        for field in dataclasses.fields(self):
            least = 2 if field.name == "vocab_size" else 1
            if getattr(self, field.name) < least:
                got = getattr(self, field.name)
                raise ValueError(f"{field.name} must be at least {least}, got {got}")


PRESETS = {
    # 2013a, §4.3 and Table 3: history of 8, 640 dimensions, 640 hidden units, 82K words.
    "table-3": NNLMConfig(82_000),
}


class NNLM(nn.Module):
    """Feedforward language model with a Huffman tree at its output.

    Args:
        config: the sizes. generator: of the first weights. device, dtype: as for any torch module.

    Source: 2013a, §2.1, eq. 2; Bengio et al. 2003, without its direct connections.
    """

    def __init__(self, config: NNLMConfig, generator=None, device=None, dtype=None) -> None:
        super().__init__()
        like = {"device": device, "dtype": dtype}
        self.config, D, H = config, config.vector_size, config.hidden_size
        # Given, so that nn.Embedding draws none of its own for nothing.
        self.input, self.output = (
            nn.Embedding(n, size, _weight=torch.empty(n, size, **like))
            for n, size in ((config.vocab_size, D), (config.vocab_size - 1, H))
        )
        self.hidden = nn.Linear(config.history * D, H, device=device, dtype=dtype)
        if not self.input.weight.is_meta:
            with torch.no_grad():
                # Rows of length about 1/√3: the hidden units are neither idle nor saturated.
                bound = D**-0.5
                self.input.weight.uniform_(-bound, bound, generator=generator)
                bound = (3 / config.history) ** 0.5
                self.hidden.weight.uniform_(-bound, bound, generator=generator)
                self.hidden.bias.zero_()
                self.output.weight.zero_()

    @classmethod
    def from_preset(cls, name: str, generator: torch.Generator | None = None, **changes) -> "NNLM":
        """Return the model of one of `PRESETS`.

        Args:
            name: of the preset.
            generator: of the first weights.
            changes: fields of the config to replace; ``device`` and ``dtype`` too.
        """
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        like = {key: changes.pop(key) for key in ("device", "dtype") if key in changes}
        return cls(dataclasses.replace(PRESETS[name], **changes), generator, **like)

    def forward(self, history_BN: Tensor) -> Tensor:
        """Return the hidden units after a history, the oldest word first: (B, N) → (B, H)."""
        return self.project(self.input(history_BN).flatten(-2))

    def project(self, vectors_BX: Tensor) -> Tensor:
        """Return the hidden units of the vectors of a history, one behind the other."""
        return torch.tanh(self.hidden(vectors_BX))

    @torch.no_grad()
    def step(self, history_BN: Tensor, target_B: Tensor, tree: Tree, lr: float) -> Tensor:
        """Take one step of stochastic gradient descent; return the mean loss, in nats.

        The two tables are stepped in the rows that were used only, and by the sum over cases, as
        if they came one after another; so is the hidden layer.

        Args:
            history_BN: words.
            target_B: the word that follows.
            tree: from `huffman`.
            lr: step size.
        """
        point_BL, code_BL, mask_BL = (part[target_B] for part in tree)
        vectors_BX = self.input.weight[history_BN].flatten(1)  # X = N · D
        hidden_BH = self.project(vectors_BX)
        nodes_BLH = self.output.weight[point_BL]
        score_BL = (nodes_BLH @ hidden_BH[:, :, None]).squeeze(2)
        loss = -(F.logsigmoid((1 - 2 * code_BL) * score_BL) * mask_BL).sum()
        # Downhill, as in `exact.learn`; the derivative of tanh is 1 − tanh².
        step_BL = (1 - code_BL - score_BL.sigmoid()) * mask_BL * lr
        back_BH = (step_BL[:, None, :] @ nodes_BLH).squeeze(1) * (1 - hidden_BH.square())
        nodes = step_BL[:, :, None] * hidden_BH[:, None, :]
        vectors = (back_BH @ self.hidden.weight).unflatten(1, (history_BN.shape[1], -1))
        self.output.weight.index_add_(0, point_BL.flatten(), nodes.flatten(0, 1))
        self.input.weight.index_add_(0, history_BN.flatten(), vectors.flatten(0, 1))
        self.hidden.weight.add_(back_BH.T @ vectors_BX)
        self.hidden.bias.add_(back_BH.sum(0))
        return loss / len(target_B)
