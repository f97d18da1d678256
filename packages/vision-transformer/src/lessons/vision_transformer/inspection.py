r"""What a trained model looks at: rollout, attention distance, similarities, filters (§4.5, D.7–8).

Shapes: B batch, L layers, H heads, S sequence, N patches, R rows, K columns, D width, P patch side.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import Size, pair


def attention_rollout(maps: Sequence[Tensor], residual: bool = True) -> Tensor:
    r"""Follow attention through all layers: how much of each input token reaches each output.

    The heads' weights are averaged, mixed with the identity for the residual connection, and the
    layers' matrices multiplied: $\prod_l \tfrac12(\bar A_l + I)$, the last layer on the left.

    Args:
        maps: each layer's weights, (B, H, S, S), from the first: ``model.attention_maps(images)``.
        residual: whether to mix in the identity. D.8's two sentences do not; the paper that it
            follows does, and so does this by default.

    Returns:
        (B, S, S); each row sums to 1. Row 0 is the class token's.

    Raises:
        ValueError: no maps, or shapes that differ.

    Source: D.8; Abnar and Zuidema 2020.
    """
    _check_maps(maps)
    rolled_BSS = torch.eye(maps[0].shape[-1], device=maps[0].device, dtype=maps[0].dtype)
    for map_BHSS in maps:
        mean_BSS = map_BHSS.mean(1)
        if residual:
            mean_BSS = (mean_BSS + torch.eye(mean_BSS.shape[-1]).to(mean_BSS)) / 2
        rolled_BSS = mean_BSS @ rolled_BSS
    return rolled_BSS


def attention_distance(
    maps: Sequence[Tensor], grid: tuple[int, int], patch_size: Size, prefix: int = 1
) -> Tensor:
    """Return how far each head looks, in pixels, (L, H): the mean distance weighted by attention.

    From each patch to all patches, between their centres; the class token is left out as a query
    and as a key, and the remaining weights are scaled to sum to 1 (the paper does not say).

    Args:
        maps: each layer's weights, (B, H, S, S).
        grid: rows and columns of patches.
        patch_size: pixels from one patch to the next; of a hybrid its whole reduction.
        prefix: tokens before the patches.

    Raises:
        ValueError: maps whose number of patches is not the grid's.

    Source: §4.5, D.7, figures 7 and 11.
    """
    _check_maps(maps)
    n = maps[0].shape[-1] - prefix
    if n != grid[0] * grid[1]:
        raise ValueError(f"grid {grid} has {grid[0] * grid[1]} patches, the maps have {n}")
    distance_NN = patch_distances(grid, patch_size).to(maps[0])
    found = []
    for map_BHSS in maps:
        weights_BHNN = map_BHSS[..., prefix:, prefix:]
        weights_BHNN = weights_BHNN / weights_BHNN.sum(-1, keepdim=True)
        found.append((weights_BHNN * distance_NN).sum(-1).mean((0, 2)))
    return torch.stack(found)


def patch_distances(grid: tuple[int, int], patch_size: Size) -> Tensor:
    """Return the distances in pixels between the centres of all patches, (N, N)."""
    p, q = pair(patch_size)
    rows = torch.arange(grid[0], dtype=torch.float64) * p
    columns = torch.arange(grid[1], dtype=torch.float64) * q
    places_N2 = torch.cartesian_prod(rows, columns)
    return torch.cdist(places_N2, places_N2)


def position_similarity(table_1SD: Tensor, grid: tuple[int, int], prefix: int = 1) -> Tensor:
    """Return the cosines between all patches' position embeddings, (R, K, R, K): figure 7's tiles.

    Raises:
        ValueError: a table whose number of patches is not the grid's.

    Source: §4.5, figure 7 (centre).
    """
    cells_ND = table_1SD.detach().flatten(0, -2)[prefix:]
    if len(cells_ND) != grid[0] * grid[1]:
        raise ValueError(f"grid {grid} has {grid[0] * grid[1]} patches, table {len(cells_ND)}")
    unit_ND = F.normalize(cells_ND, dim=-1)
    return (unit_ND @ unit_ND.T).reshape(*grid, *grid)


def embedding_filters(weight_DCPP: Tensor, count: int = 28) -> Tensor:
    """Return the first principal components of the patch embedding's filters, (count, C, P, P).

    Each has the norm 1; its sign is free, and set so that its largest entry is positive.

    Args:
        weight_DCPP: ``model.patch_embedding.weight``.
        count: how many; figure 7 has 28.

    Raises:
        ValueError: more than there are.

    Source: §4.5, figure 7 (left).
    """
    flat_DX = weight_DCPP.detach().flatten(1).double()
    if not 1 <= count <= min(flat_DX.shape):
        raise ValueError(f"count must be 1 to {min(flat_DX.shape)}, got {count}")
    _, _, right = torch.linalg.svd(flat_DX - flat_DX.mean(0), full_matrices=False)
    components = right[:count]
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    return (components * largest.sign()).reshape(count, *weight_DCPP.shape[1:]).to(weight_DCPP)


def _check_maps(maps: Sequence[Tensor]) -> None:
    shapes = {tuple(m.shape) for m in maps}
    if len(shapes) != 1 or len(next(iter(shapes))) != 4:
        raise ValueError(f"maps must be one or more tensors (B, H, S, S) alike, got {shapes}")
