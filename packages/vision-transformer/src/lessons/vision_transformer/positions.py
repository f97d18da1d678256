r"""Where a patch stands: four ways to tell, and how to move them to another grid (§3.2, D.4).

Shapes: B batch, N patches, R rows, K columns, S sequence (N, and 1 with a class token), D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PositionEmbedding(nn.Module):
    """Vectors added to a sequence of patches, learned or fixed.

    "1d": one learned vector for each place of the sequence, the class token's included; nothing
    says which places are neighbours. "2d": half of a vector from the row, half from the column; the
    class token, itself learned, needs none. "sincos": rows and columns as sines and cosines.

    Args:
        kind: "1d", "2d" or "sincos".
        grid: rows and columns.
        width: D.
        prefix: 1 with a class token, else 0.
        mode: how to interpolate on another grid; see `interpolate_positions`.
        antialias: likewise.

    Source: eq. 1, D.4.
    """

    fixed: Tensor

    def __init__(
        self,
        kind: str,
        grid: tuple[int, int],
        width: int,
        prefix: int = 1,
        mode: str = "corners",
        antialias: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.grid, self.prefix = kind, grid, prefix
        self.how = (mode, antialias)
        if kind == "1d":
            self.table = nn.Parameter(torch.zeros(1, prefix + grid[0] * grid[1], width))
        elif kind == "2d":
            self.rows = nn.Parameter(torch.zeros(grid[0], width // 2))
            self.columns = nn.Parameter(torch.zeros(grid[1], width // 2))
        else:
            self.width = width
            self.register_buffer("fixed", sincos_2d(grid, width, prefix), persistent=False)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw learned vectors from N(0, .02²), as BERT and the released code do."""
        for parameter in self.parameters():
            parameter.normal_(std=0.02, generator=generator)
        if self.kind == "sincos" and not self.fixed.is_meta:
            self.fixed.copy_(sincos_2d(self.grid, self.width, self.prefix))

    def forward(self, grid: tuple[int, int] | None = None) -> Tensor:
        """Return what is added, (1, S, D), for a grid of (rows, columns); default: its own."""
        return self.on_grid(self.grid if grid is None else grid, *self.how)

    def on_grid(self, grid: tuple[int, int], mode: str, antialias: bool) -> Tensor:
        """Return (1, S, D) for a grid, interpolated in a given way where it is not its own."""
        if self.kind == "1d":
            if grid == self.grid:
                return self.table
            return interpolate_positions(self.table, self.grid, grid, mode, antialias, self.prefix)
        if self.kind == "2d":
            rows, columns = (
                part if n == len(part) else _stretch(part, n, mode, antialias)
                for part, n in zip((self.rows, self.columns), grid)
            )
            cells_RKD = torch.cat([
                rows[:, None].expand(-1, grid[1], -1), columns[None].expand(grid[0], -1, -1)
            ], -1)  # fmt: skip
            return F.pad(cells_RKD.flatten(0, 1), (0, 0, self.prefix, 0))[None]
        if grid == self.grid:
            return self.fixed
        return sincos_2d(grid, self.width, self.prefix).to(self.fixed)

    @torch.no_grad()
    def moved(self, other: "PositionEmbedding") -> dict[str, Tensor]:
        """Return the state of another embedding of this kind that has these positions, stretched.

        Fixed ones are computed there anew.
        """
        if self.kind == "sincos":
            other.reset_parameters()
            return {}
        table_1SD = self.on_grid(other.grid, *other.how)
        if self.kind == "1d":
            return {"table": table_1SD}
        cells_RKD = table_1SD[0, self.prefix :].unflatten(0, other.grid)
        half = cells_RKD.shape[-1] // 2
        return {"rows": cells_RKD[:, 0, :half], "columns": cells_RKD[0, :, half:]}


def interpolate_positions(
    table_1SD: Tensor,
    old_grid: tuple[int, int] | None,
    new_grid: tuple[int, int],
    mode: str = "corners",
    antialias: bool = False,
    prefix: int = 1,
) -> Tensor:
    """Return position embeddings for another grid of patches over the same picture.

    The class token's vector stays as it is; the others are stretched as a picture of D channels.

    Args:
        table_1SD: (1, prefix + N, D).
        old_grid: rows and columns of the N; None: as many of each.
        new_grid: rows and columns wanted.
        mode: "corners": linear, the corner patches' centres stay at the corners (the released code,
            whose `scipy.ndimage.zoom` does so); "bilinear" and "bicubic": patches are areas, and
            their borders stay (timm, Hugging Face).
        antialias: widen the filter with the step when the grid shrinks; for "bicubic" it is another
            filter even when it grows. timm: True; Hugging Face: False. Not with "corners".
        prefix: vectors at the beginning that are no patch's.

    Returns:
        (1, prefix + N', D).

    Raises:
        ValueError: a table whose N is not the old grid's, or no square without one; an unknown
            mode; antialias with "corners".

    Source: §3.2.
    """
    if table_1SD.dim() != 3 or table_1SD.shape[0] != 1:
        raise ValueError(f"table must have shape (1, S, D), got {tuple(table_1SD.shape)}")
    n = table_1SD.shape[1] - prefix
    if old_grid is None:
        side = round(max(n, 0) ** 0.5)
        if side * side != n or n < 1:
            raise ValueError(f"{n} positions are no square: give old_grid (rows, columns)")
        old_grid = (side, side)
    if old_grid[0] * old_grid[1] != n:
        raise ValueError(f"old_grid {old_grid} has {old_grid[0] * old_grid[1]} cells, table {n}")
    if min(new_grid) < 1:
        raise ValueError(f"new_grid must be at least 1 by 1, got {new_grid}")
    first_1PD, cells_1ND = table_1SD[:, :prefix], table_1SD[:, prefix:]
    cells_1DRK = cells_1ND.unflatten(1, old_grid).permute(0, 3, 1, 2)
    cells_1DRK = _interpolate(cells_1DRK, new_grid, mode, antialias)
    return torch.cat([first_1PD, cells_1DRK.flatten(2).transpose(1, 2)], 1)


def _interpolate(cells_BDRK: Tensor, grid: tuple[int, int], mode: str, antialias: bool) -> Tensor:
    if mode not in ("corners", "bilinear", "bicubic"):
        raise ValueError(f"mode must be 'corners', 'bilinear' or 'bicubic', got {mode!r}")
    if mode == "corners" and antialias:
        raise ValueError("antialias needs mode 'bilinear' or 'bicubic', got 'corners'")
    corners = mode == "corners"
    return F.interpolate(
        cells_BDRK.float() if cells_BDRK.dtype in (torch.float16, torch.bfloat16) else cells_BDRK,
        size=grid, mode="bilinear" if corners else mode,
        align_corners=corners, antialias=antialias,
    ).to(cells_BDRK.dtype)  # fmt: skip


def _stretch(part_RD: Tensor, n: int, mode: str, antialias: bool) -> Tensor:
    """Interpolate along one axis."""
    return _interpolate(part_RD.T[None, :, :, None], (n, 1), mode, antialias)[0, :, :, 0].T


def sincos_2d(grid: tuple[int, int], width: int, prefix: int = 1) -> Tensor:
    r"""Return sines and cosines of rows and columns, (1, prefix + N, D).

    A quarter of the width each: $\sin(\omega_i c), \cos(\omega_i c)$ of the column and the same of
    the row, with $\omega_i = 10000^{-i/(D/4)}$.

    Source: Beyer et al. 2022, which is later than the paper; its layout.
    """
    omega = 10000 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    axes = [torch.arange(n, dtype=torch.float64)[:, None] * omega for n in grid]
    rows, columns = (torch.cat([axis.sin(), axis.cos()], -1) for axis in axes)
    cells_RKD = torch.cat([
        columns[None].expand(grid[0], -1, -1), rows[:, None].expand(-1, grid[1], -1)
    ], -1)  # fmt: skip
    return F.pad(cells_RKD.flatten(0, 1), (0, 0, prefix, 0))[None].float()
