r"""Which sizes fit through a U-Net of unpadded convolutions, and what it loses at the border (§2).

Every level takes 4 pixels with its two 3x3 convolutions, and pooling needs an even size. Going
down d levels from $n$ and back up, the sizes that fit are $n = 2^d k + 4\,(2^d - 1)$, where
$k$ is the size that enters the lowest level, and the output has
$n - 2\,(6 \cdot 2^d - 4) = 2^d (k - 8) + 4$ pixels. For the paper's d = 4: 16k + 60 with
$k \ge 8$, of which 92 are lost on each side.
"""


def border(depth: int = 4) -> int:
    """Return how many pixels an unpadded net of that depth loses on each side: 92 for the paper."""
    return 6 * 2**depth - 4


def smallest(depth: int = 4) -> int:
    """Return the least size at the lowest level of which anything is left on top: 8, if d > 1."""
    return 9 - -(-4 // 2**depth)


def valid_sizes(low: int, high: int, depth: int = 4) -> list[int]:
    """Return the input sizes from ``low`` to ``high`` that fit an unpadded net.

    For the paper's net 188, 204, 220, and so on.

    Args:
        low: in pixels.
        high: in pixels, included.
        depth: number of poolings, 4 in the paper.
    """
    step, rest = 2**depth, 4 * (2**depth - 1)
    first = max(smallest(depth), -(-(low - rest) // step))
    return list(range(step * first + rest, high + 1, step))


def output_size(size: int, depth: int = 4, padding: str = "valid", name: str = "size") -> int:
    """Return the output's height or width for the input's: 388 for 572 in the paper's net.

    Args:
        size: in pixels.
        depth: number of poolings.
        padding: "valid" or "same", where the output is as large as the input.
        name: of the argument, for the error.

    Raises:
        ValueError: a pooling would meet an odd size, or nothing would be left; says which sizes
            near it fit.
    """
    step = 2**depth
    if padding == "same":
        if size >= step and size % step == 0:
            return size
        form, fits = f"a multiple of {step}", [size // step * step, (size // step + 1) * step]
    else:
        fits = valid_sizes(0, max(size, 0) + 20 * step, depth)
        if size in fits:
            return size - 2 * border(depth)
        form = f"of the form {step}k + {4 * (step - 1)}, k ≥ {smallest(depth)}"
        fits = [n for n in fits if n < size][-1:] + [n for n in fits if n > size][:2]
        fits = fits[:2]
    near = " and ".join(str(n) for n in fits if n > 0)
    raise ValueError(f"{name} must be {form}, got {size}; the nearest are {near}")
