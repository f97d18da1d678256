"""A file of tokens, written once and read where it is needed."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def write_tokens(
    path: str | os.PathLike, documents: Iterable[Sequence[int]], vocab_size: int, end: int | None
) -> int:
    """Write the ids of documents to a file, which is there whole or not at all; return how many.

    Args:
        path: of 2 bytes a token where ``vocab_size`` is at most 65,536, else 4.
        documents: their ids.
        vocab_size: what the ids must be below.
        end: id after each document, that of ``<|endoftext|>``; None: none.

    Raises:
        ValueError: an id that is not in the vocabulary.
    """
    path, count = Path(path), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            for n, document in enumerate(documents):
                ids = np.asarray([*document, *([] if end is None else [end])], dtype=np.int64)
                if ids.size and (ids.min() < 0 or ids.max() >= vocab_size):
                    worst = ids.min() if ids.min() < 0 else ids.max()
                    raise ValueError(
                        f"document {n} has the id {worst}, allowed are 0 to {vocab_size - 1}"
                    )
                file.write(ids.astype(_kind(vocab_size)).tobytes())
                count += len(ids)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _kind(vocab_size: int) -> str:
    return "<u2" if vocab_size <= 1 << 16 else "<u4"


class TokenFile:
    """The tokens of a file of `write_tokens`, read where they are needed.

    Args:
        path: the file.
        vocab_size: that it was written with.

    Raises:
        OSError: the file cannot be opened.
        ValueError: its size is not one of whole tokens, or there is none.
    """

    def __init__(self, path: str | os.PathLike, vocab_size: int) -> None:
        kind = np.dtype(_kind(vocab_size))
        size = Path(path).stat().st_size
        if not size or size % kind.itemsize:
            raise ValueError(f"{path} has {size} bytes, expected {kind.itemsize} for each token")
        self.ids = np.memmap(path, kind, "r")

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.ids)

    def batch(self, size: int, length: int, generator: torch.Generator) -> Tensor:
        """Return windows (size, length) that begin anywhere.

        Raises:
            ValueError: the file is shorter than a window.
        """
        if len(self) < length:
            raise ValueError(f"the file has {len(self)} tokens, fewer than length={length}")
        starts = torch.randint(len(self) - length + 1, (size,), generator=generator).tolist()
        windows = [self.ids[start : start + length].astype(np.int64) for start in starts]
        return torch.from_numpy(np.stack(windows))
