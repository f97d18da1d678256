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

    def forward(self, history_BN: Tensor) -> Tensor:
        """Return the hidden units after a history, the oldest word first: (B, N) → (B, H)."""
        return self.project(self.input(history_BN))

    def project(self, vectors_BND: Tensor) -> Tensor:
        """Return the hidden units of the vectors of a history."""
        return torch.tanh(self.hidden(vectors_BND.flatten(-2)))

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
        vectors_BND = self.input.weight.detach()[history_BN].requires_grad_()
        nodes_BLH = self.output.weight.detach()[point_BL].requires_grad_()
        hidden_BH = self.project(vectors_BND)
        score_BL = torch.einsum("blh,bh->bl", nodes_BLH, hidden_BH)
        loss_BL = F.logsigmoid((1 - 2 * code_BL) * score_BL) * mask_BL
        loss = -loss_BL.sum()
        slopes = torch.autograd.grad(
            loss, [vectors_BND, nodes_BLH, self.hidden.weight, self.hidden.bias]
        )
        with torch.no_grad():
            for weight, row, slope in (
                (self.input.weight, history_BN, slopes[0]),
                (self.output.weight, point_BL, slopes[1]),
            ):
                weight.index_add_(0, row.flatten(), slope.flatten(0, 1), alpha=-lr)
            self.hidden.weight.sub_(slopes[2], alpha=lr)
            self.hidden.bias.sub_(slopes[3], alpha=lr)
        return loss.detach() / len(target_B)
