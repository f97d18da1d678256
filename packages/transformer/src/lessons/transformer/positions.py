r"""Where a token stands: sinusoids or a learned table (Vaswani et al. 2017, §3.5).

Shapes: T positions, M d_model.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["interleaved", "concat"]
Spacing = Literal["paper", "tensor2tensor"]


def angular_frequencies(d_model: int, spacing: Spacing = "paper") -> Tensor:
    r"""Return the d_model/2 angular frequencies, in radians per position, float64.

    Args:
        d_model: width of the encoding; even.
        spacing: "paper": $10000^{-2i/d}$, whose longest wavelength is $2π·10000^{1-2/d}$.
            "tensor2tensor": the released code spreads them so that it is 2π·10000, as §3.5 says.

    Raises:
        ValueError: an odd d_model, or an unknown spacing.

    Source: §3.5.
    """
    if d_model % 2 or d_model < 2:
        raise ValueError(f"d_model must be even for sines and cosines in pairs, got {d_model}")
    if spacing not in ("paper", "tensor2tensor"):
        raise ValueError(f"spacing must be 'paper' or 'tensor2tensor', got {spacing!r}")
    pairs = d_model // 2
    last = pairs if spacing == "paper" else max(pairs - 1, 1)
    return 10000.0 ** (-torch.arange(pairs, dtype=torch.float64) / last)


class SinusoidalPositionalEncoding(nn.Module):
    r"""Sines and cosines of each position at geometrically spaced frequencies.

    $PE_{(pos,2i)} = \sin(pos/10000^{2i/d})$, $PE_{(pos,2i+1)} = \cos(pos/10000^{2i/d})$.
    They are computed when needed: there is no longest position, and nothing to load or to move.

    Args:
        d_model: width; even.
        layout: "interleaved" is the paper's; "concat" has all sines first, then all cosines, as
            tensor2tensor, fairseq and Marian have it: a permutation, but checkpoints depend on it.
        spacing: of the frequencies, see ``angular_frequencies``.

    Raises:
        ValueError: an odd d_model, or an unknown layout or spacing.

    Source: §3.5.
    """

    def __init__(
        self, d_model: int, layout: Layout = "interleaved", spacing: Spacing = "paper"
    ) -> None:
        super().__init__()
        if layout not in ("interleaved", "concat"):
            raise ValueError(f"layout must be 'interleaved' or 'concat', got {layout!r}")
        angular_frequencies(d_model, spacing)  # complains now, not at the first use
        self.d_model, self.layout, self.spacing = d_model, layout, spacing

    def forward(self, positions_T: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the encodings (T, d_model) of integer positions (T,)."""
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        frequencies = angular_frequencies(self.d_model, self.spacing)
        frequencies = frequencies.to(positions_T.device, exact)
        angles = positions_T.to(exact)[:, None] * frequencies
        waves = [angles.sin(), angles.cos()]
        if self.layout == "concat":
            return torch.cat(waves, -1).to(dtype)
        return torch.stack(waves, -1).flatten(-2).to(dtype)


class LearnedPositionalEmbedding(nn.Module):
    """A learned vector for each position (Table 3, row E).

    Args:
        d_model: width.
        max_len: positions in the table.

    Source: §3.5; Gehring et al. 2017.
    """

    def __init__(self, d_model: int, max_len: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(max_len, d_model))
        nn.init.normal_(self.weight, std=d_model**-0.5)

    def forward(self, positions_T: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the vectors (T, d_model) of positions (T,), which must be below max_len."""
        return self.weight[positions_T].to(dtype)


def shift_matrix(offset: int, d_model: int) -> Tensor:
    r"""Return R_k with $R_k\,PE_{pos} = PE_{pos+k}$ for every position: a rotation in each pair.

    $\begin{pmatrix}\sin ω(p+k)\\\cos ω(p+k)\end{pmatrix} =
    \begin{pmatrix}\cos ωk&\sin ωk\\-\sin ωk&\cos ωk\end{pmatrix}
    \begin{pmatrix}\sin ωp\\\cos ωp\end{pmatrix}$

    Args:
        offset: k, in positions.
        d_model: width; even. The layout is the paper's.

    Returns:
        float64, (d_model, d_model).

    Source: §3.5 ("for any fixed offset k, PE(pos+k) can be represented as a linear function").
    """
    angle = offset * angular_frequencies(d_model)
    cos, sin = angle.cos(), angle.sin()
    blocks = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    return torch.block_diag(*blocks)


def longest_wavelength(d_model: int, spacing: Spacing = "paper") -> float:
    """Return the longest wavelength, in positions (§3.5 says 10000 * 2π, its formula less)."""
    return 2 * math.pi / angular_frequencies(d_model, spacing)[-1].item()
