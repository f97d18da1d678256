r"""Where to look: additive attention (§3.1, A.1.2), and three scores that came later.

Shapes: B batch, Q queries, S source positions, H query width, C annotation width, A hidden units
of the alignment model.
"""

import torch
from torch import Tensor, nn

from .config import Score


class AdditiveAttention(nn.Module):
    r"""The alignment model: $e_{ij} = v_a^\top \tanh(W_a s_{i-1} + U_a h_j)$.

    Args:
        query_size: n, of the decoder's state.
        annotation_size: 2n, of an annotation.
        hidden_size: n′.
        score: "additive", or "dot" and "general" (Luong et al. 2015), or "product" (Shazeer et al.
            2017, eq. 22), where the tanh of the query multiplies that of the annotation.
        generator: randomness of the initial weights (B.1).

    Raises:
        ValueError: an unknown score, or "dot" of unequal widths.
    """

    def __init__(
        self,
        query_size: int,
        annotation_size: int,
        hidden_size: int,
        score: Score = "additive",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if score not in ("additive", "dot", "general", "product"):
            raise ValueError(f"score must be additive, dot, general or product, got {score!r}")
        if score == "dot" and query_size != annotation_size:
            raise ValueError(
                f"score 'dot' needs queries as wide as annotations, "
                f"got {query_size} and {annotation_size}"
            )
        self.query_size, self.annotation_size, self.score = query_size, annotation_size, score
        own = score in ("additive", "product")
        wide = hidden_size if own else annotation_size
        self.query = None if score == "dot" else nn.Linear(query_size, wide, bias=False)  # W_a
        self.key = nn.Linear(annotation_size, wide, bias=False) if own else None  # U_a
        self.energy = nn.Parameter(torch.empty(wide)) if own else None  # v_a
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Start as B.1: W_a, U_a from N(0, 0.001²), v_a zero, hence all weights equal.

        A product of two small numbers would hardly learn: "product" starts with 0.1².
        """
        for parameter in self.parameters():
            if parameter.is_meta:
                return
        spread = 0.1 if self.score == "product" else 0.001
        for linear in (self.query, self.key):
            if linear is not None:
                linear.weight.normal_(0, spread, generator=generator)
        if self.energy is not None:
            self.energy.zero_()

    def keys(self, annotations_BSC: Tensor) -> Tensor:
        """Return U_a h_j of all positions, once for a sentence (A.1.2).

        Raises:
            ValueError: another width than annotation_size.
        """
        if annotations_BSC.shape[-1] != self.annotation_size:
            raise ValueError(
                f"annotations must have width annotation_size ({self.annotation_size}), "
                f"got {annotations_BSC.shape[-1]}"
            )
        return annotations_BSC if self.key is None else self.key(annotations_BSC)

    def energies(self, query_BQH: Tensor, keys_BSA: Tensor) -> Tensor:
        """Return e_ij, (B, Q, S).

        Raises:
            ValueError: another width than query_size.
        """
        if query_BQH.shape[-1] != self.query_size:
            raise ValueError(
                f"queries must have width query_size ({self.query_size}), got {query_BQH.shape[-1]}"
            )
        query_BQA = query_BQH if self.query is None else self.query(query_BQH)
        if self.energy is None:
            return query_BQA @ keys_BSA.transpose(-2, -1)
        if self.score == "product":
            return (query_BQA.tanh() * self.energy) @ keys_BSA.tanh().transpose(-2, -1)
        return (query_BQA[..., :, None, :] + keys_BSA[..., None, :, :]).tanh() @ self.energy

    def forward(
        self,
        query_BQH: Tensor,
        annotations_BSC: Tensor,
        mask_BS: Tensor | None = None,
        keys_BSA: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Look up (eqs. 5 and 6).

        Args:
            query_BQH: decoder states.
            annotations_BSC: h_j.
            mask_BS: true where there is a word; None: everywhere.
            keys_BSA: `keys` of the annotations, if they are there already.

        Returns:
            Contexts c_i (B, Q, C) and weights α_ij (B, Q, S), exactly 0 where there is no word.

        Raises:
            TypeError: a mask that is not boolean.
            ValueError: a mask of another shape, a row without any word, or a wrong width.
        """
        if keys_BSA is None:
            keys_BSA = self.keys(annotations_BSC)
        energy_BQS = self.energies(query_BQH, keys_BSA)
        if mask_BS is not None:
            if can_be_read(mask_BS):
                check_mask(mask_BS, annotations_BSC.shape[:-1])
            energy_BQS = energy_BQS.masked_fill(~mask_BS[..., None, :], -torch.inf)
        weights_BQS = energy_BQS.softmax(-1)  # eq. 6
        return weights_BQS @ annotations_BSC, weights_BQS  # eq. 5


def can_be_read(x: Tensor) -> bool:
    """Return whether a check may ask for the values: not on meta, compiled, or under torch.func."""
    return not (
        torch.compiler.is_compiling() or x.is_meta or torch._C._are_functorch_transforms_active()
    )


def check_mask(mask: Tensor, shape) -> None:
    """Raise an error unless the mask is boolean, of that shape, and true somewhere in each row."""
    if mask.dtype != torch.bool:
        raise TypeError(f"mask must be boolean, true where there is a word, got {mask.dtype}")
    if mask.shape != shape:
        raise ValueError(f"mask must have shape {tuple(shape)}, got {tuple(mask.shape)}")
    empty = ~mask.flatten(0, -2).any(-1)
    if empty.any():
        raise ValueError(f"mask must be true somewhere, and row {int(empty.nonzero()[0])} is not")
