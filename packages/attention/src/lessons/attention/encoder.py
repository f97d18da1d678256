"""The encoder (§3.2, A.2.1): each word's annotation, from both sides.

Shapes: B batch, S source positions, M embedding, N state of a direction, C = 2N (N of one alone).
"""

import torch
from torch import Tensor, nn

from .config import Reset
from .gated import GatedUnit
from .scan import GatedScan, call, fast, untouched


class Encoder(nn.Module):
    """Gated units that read forward, and others that read backward; one embedding for both.

    Args:
        vocab_size: K_x.
        embedding_size: m.
        hidden_size: n, of each direction.
        bidirectional: False: forward only, as RNNencdec reads.
        reset: of the units.
        bias: of the units.
        dropout: of the embeddings.
        generator: randomness of the initial weights (B.1).
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        bidirectional: bool = True,
        reset: Reset = "before",
        bias: bool = True,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        unit = (embedding_size, hidden_size, None, reset, bias, generator)
        self.forward_unit = GatedUnit(*unit)
        self.backward_unit = GatedUnit(*unit) if bidirectional else None
        self.dropout = nn.Dropout(dropout)
        if not self.embedding.weight.is_meta:
            nn.init.normal_(self.embedding.weight, 0, 0.01, generator=generator)

    def forward(self, src_BS: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Read sentences.

        Padding changes no state: each direction begins at its end of the sentence itself.

        Args:
            src_BS: ids, padded on the right.
            length_B: how many of each row are words.

        Returns:
            Annotations h_j (B, S, C), zero behind the end (eq. 7); the last forward state (B, N);
            the backward state at the first word (B, N), or None.
        """
        words_BSM = self.dropout(self.embedding(src_BS))
        mask_BS1 = lengths_to_mask(length_B, src_BS.shape[1])[:, :, None]
        units, read = [self.forward_unit], [words_BSM]
        if self.backward_unit is not None:
            units.append(self.backward_unit)
            read.append(reverse_within(words_BSM, length_B))
        states = [states_BSN * mask_BS1 for states_BSN in run(units, read)]
        last_BN = states[0].gather(1, _at(length_B - 1, states[0])).squeeze(1)
        if self.backward_unit is None:
            return states[0], last_BN, None
        back_BSN = reverse_within(states[1], length_B)
        return torch.cat([states[0], back_BSN], -1), last_BN, back_BSN[:, 0]


def run(units: list[GatedUnit], read: list[Tensor]) -> list[Tensor]:
    """Return the states (B, S, N) of units of one size, each over its own inputs, side by side."""
    plain = units[0].reset == "before" and untouched(*((unit, GatedUnit) for unit in units))
    if not plain or not fast(*read, units[0].weight_gates):
        return [unit(x_BSM) for unit, x_BSM in zip(units, read)]
    x = torch.stack([unit.project(x_BSM.transpose(0, 1)) for unit, x_BSM in zip(units, read)])
    zero = x.new_zeros(len(units), x.shape[2], units[0].hidden_size)
    gates = torch.stack([unit.weight_gates for unit in units])
    back = torch.stack([unit.weight_state for unit in units])
    states_DSBN = call(GatedScan, x, zero, gates, back)
    return [states_SBN.transpose(0, 1) for states_SBN in states_DSBN]


def lengths_to_mask(length_B: Tensor, longest: int) -> Tensor:
    """Return (B, S), true at the words of each sentence."""
    return torch.arange(longest, device=length_B.device) < length_B[:, None]


def reverse_within(x_BSX: Tensor, length_B: Tensor) -> Tensor:
    """Turn each sentence round within its own length; what is behind it stays where it is."""
    place_S = torch.arange(x_BSX.shape[1], device=x_BSX.device)
    from_BS = length_B[:, None] - 1 - place_S
    from_BS = torch.where(from_BS < 0, place_S, from_BS)
    return x_BSX.gather(1, from_BS[:, :, None].expand_as(x_BSX))


def _at(place_B: Tensor, like_BSX: Tensor) -> Tensor:
    return place_B[:, None, None].expand(-1, 1, like_BSX.shape[-1])
