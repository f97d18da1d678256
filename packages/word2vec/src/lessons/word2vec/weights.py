"""Files of word vectors: the released code's text and binary form, gensim's arrays, safetensors.

Released vectors are the input table alone (Google News: 3,000,000 × 300). Nothing is executed:
gensim's own files are pickles and are not read; save them in the word2vec form there.
"""

import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .models import CBOW, EmbeddingConfig, SkipGram
from .vectors import KeyedVectors

SHIPPED = Path(__file__).with_name("model.safetensors")
GENSIM = {"input.weight": "wv.vectors"}  # and "syn1neg", or "syn1" of a tree
LONGEST = 10_000  # bytes of a word or of the first line: more, and it is another kind of file


def load_word2vec_format(
    path: str | os.PathLike, binary: bool | None = None, limit: int | None = None
) -> KeyedVectors:
    """Read vectors in the form of the released code.

    The first line has the number of words V and of dimensions D. Text: a line a word, the word and
    D numbers. Binary: a word, a space, D float32 of little end, and perhaps a line end.

    Args:
        path: the file; it is not read into memory as a whole.
        binary: which of the two; None looks.
        limit: read only the first so many words.

    Raises:
        OSError: no such file.
        ValueError: the file is of another form, or shorter or longer than its first line says; the
            message has the file, and the line or byte.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit must be a whole number of at least 1, got {limit!r}")
    with path.open("rb") as file:
        first = file.readline(LONGEST)
        try:
            count, size = (int(part) for part in first.split())
            if count < 1 or size < 1:
                raise ValueError
        except ValueError:
            what = f"its first line must be 'words dimensions', got {first[:40]!r}"
            raise ValueError(f"{path} is no file of word vectors: {what}") from None
        text = looks_like_text(file.readline(LONGEST + 40 * size), size)
        file.seek(len(first))
        if binary and text:
            raise ValueError(f"{path}, line 2: this is a text file, and binary = True")
        binary = not text if binary is None else binary
        n = count if limit is None else min(limit, count)
        left = path.stat().st_size - len(first)
        if left < count * ((4 * size + 2) if binary else (2 * size + 2)) and limit is None:
            what = f"{count} words of {size} dimensions need more than its {left} bytes"
            raise ValueError(f"{path}, line 1: {what} (binary = {binary})")
        # What a false first line claims is never allocated: the size was compared with the file's.
        if n * size * 4 > 40 * (left + 1):
            raise ValueError(f"{path}, line 1: {count} words of {size} dimensions, in {left} bytes")
        if binary:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bytes_:
                return read_binary(path, bytes_, len(first), n, size, whole=n == count)
        return read_text(path, file, n, size, whole=n == count)


def looks_like_text(line: bytes, size: int) -> bool:
    """Return whether a line is a word and D numbers, of which "nan" and "inf" are some."""
    parts = line.rstrip().rsplit(b" ", size)
    try:
        return len(parts) == size + 1 and len([float(part) for part in parts[1:]]) == size
    except ValueError:
        return False


def read_binary(path: Path, data: mmap.mmap, at: int, n: int, size: int, whole: bool):
    """Read n words and vectors from byte ``at`` on."""
    words, vectors_VD = [], np.empty((n, size), dtype=np.float32)
    for i in range(n):
        end = data.find(b" ", at, at + LONGEST)
        if end < 0 or end + 1 + 4 * size > len(data):
            what = f"word {i + 1} of {n} is cut off, or this is no binary file"
            raise ValueError(f"{path}, byte {at}: {what}")
        words.append(decoded(path, f"byte {at}", data[at:end].lstrip(b"\n")))
        vectors_VD[i] = np.frombuffer(data, "<f4", size, end + 1)
        at = end + 1 + 4 * size
    if whole and data[at : at + 2] not in (b"", b"\n"):
        what = f"{len(data) - at} bytes are left after {n} words of {size} dimensions"
        raise ValueError(f"{path}, byte {at}: {what}")
    return keyed(path, words, vectors_VD)


def read_text(path: Path, file: Any, n: int, size: int, whole: bool) -> KeyedVectors:
    """Read n lines, each a word and its vector."""
    words, vectors_VD = [], np.empty((n, size), dtype=np.float32)
    for i in range(n):
        line = file.readline()
        parts = line.rstrip().rsplit(b" ", size)
        try:
            if len(parts) != size + 1 or not parts[0] or b"_" in b"".join(parts[1:]):
                raise ValueError
            numbers = [float(part) for part in parts[1:]]
            with np.errstate(over="ignore"):
                vectors_VD[i] = numbers
            if np.isinf(vectors_VD[i]).any() and not np.isinf(numbers).any():
                raise ValueError  # too large for single precision
        except ValueError:
            what = f"expected a word and {size} numbers, got {line[:40]!r}"
            raise ValueError(f"{path}, line {i + 2}: {what} (is it a binary file?)") from None
        words.append(decoded(path, f"line {i + 2}", parts[0]))
    if whole and file.readline().strip():
        raise ValueError(f"{path}, line {n + 2}: more lines than the {n} that line 1 says")
    return keyed(path, words, vectors_VD)


def decoded(path: Path, where: str, word: bytes) -> str:
    """Return a word; the released vectors have a few that are not UTF-8, kept as they are."""
    if b"\n" in word or b"\0" in word:
        raise ValueError(f"{path}, {where}: expected a word, got {word[:40]!r}")
    return word.decode("utf-8", errors="surrogateescape")


def keyed(path: Path, words: list[str], vectors_VD: np.ndarray) -> KeyedVectors:
    """Return what was read; a fault names the file."""
    try:
        return KeyedVectors(words, torch.from_numpy(vectors_VD))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def save_word2vec_format(
    path: str | os.PathLike, vectors: KeyedVectors, binary: bool = True, line_ends: bool = True
) -> None:
    """Write vectors in the form of the released code, atomically.

    Args:
        path: the file.
        vectors: whose words have no white space in them.
        binary: or text, whose numbers read back the same float32.
        line_ends: a line end behind each binary vector, as the released code writes; gensim writes
            none, and reads both.

    Raises:
        ValueError: a word that could not be read back.
    """
    for word in vectors.words:
        if not word or any(letter in word for letter in " \n\0") or word != word.strip():
            raise ValueError(f"a word of this form must have no white space, got {word!r}")
    rows = vectors.vectors.detach().float().cpu().numpy().astype("<f4")
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(f"{len(vectors)} {rows.shape[1]}\n".encode())
            for word, row in zip(vectors.words, rows):
                file.write(word.encode("utf-8", errors="surrogateescape") + b" ")
                if binary:
                    file.write(row.tobytes() + b"\n" * line_ends)
                else:
                    file.write(" ".join(map(str, row)).encode() + b"\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def from_gensim(state: Mapping[str, Tensor], cbow: bool = False) -> SkipGram | CBOW:
    """Return the model of gensim's arrays.

    Args:
        state: "wv.vectors" (V, D), and "syn1neg" (V, D) or "syn1" (V − 1 rows, or V: gensim keeps
            one more than it uses); tensors or arrays.
        cbow: which model; the arrays do not tell.

    Raises:
        ValueError: names or shapes that are not gensim's.
    """
    state = {name: torch.as_tensor(value) for name, value in state.items()}
    outputs = [name for name in ("syn1neg", "syn1") if name in state]
    if "wv.vectors" not in state or len(outputs) != 1 or len(state) != 2:
        raise ValueError(f"expected 'wv.vectors' and one of 'syn1neg', 'syn1', got {list(state)}")
    vectors_VD, output = state["wv.vectors"], state[outputs[0]]
    if vectors_VD.dim() != 2 or output.dim() != 2:
        raise ValueError(f"expected matrices, got {[tuple(t.shape) for t in state.values()]}")
    count, size = vectors_VD.shape
    hierarchical = outputs[0] == "syn1"
    output = output[: count - 1] if hierarchical else output
    config = EmbeddingConfig(count, size, hierarchical)
    if output.shape != (count - hierarchical, size):
        raise ValueError(f"{outputs[0]} must fit {count} words of {size}, got {output.shape}")
    model = (CBOW if cbow else SkipGram)(config, device="meta")
    model.load_state_dict(
        {"input.weight": vectors_VD.clone(), "output.weight": output.clone()}, assign=True
    )
    return model


def to_gensim(model: SkipGram | CBOW) -> dict[str, Tensor]:
    """Return a model's weights under gensim's names."""
    output = "syn1" if model.config.hierarchical else "syn1neg"
    state = model.state_dict()
    return {"wv.vectors": state["input.weight"].clone(), output: state["output.weight"].clone()}


def load(path: str | os.PathLike) -> dict[str, Tensor]:
    """Read a state dict from a safetensors file, or from one that ``torch.save`` wrote.

    The latter is read with ``weights_only=True``: nothing in it is executed. Wrappers are undone:
    a state dict under "state_dict" or "model", names that begin with "module." or "_orig_mod.".

    Raises:
        OSError: no such file.
        ValueError: the file holds no state dict, or cannot be read; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged files raise half a dozen types, and torch's text advises to execute the file.
        why = "it holds more than weights" if "weights_only" in str(error) else "it is damaged"
        raise ValueError(f"{path} holds no weights that can be read: {why}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    wrong = not isinstance(state, Mapping) or not state or any(
        not isinstance(k, str) or not isinstance(v, Tensor) for k, v in state.items()
    )  # fmt: skip
    if wrong:
        raise ValueError(f"{path} holds no state dict of tensors, but {type(state).__name__}")
    for prefix in ("module.", "_orig_mod.", "module."):
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return dict(state)


def save(path: str | os.PathLike, state: Mapping[str, Tensor]) -> None:
    """Write a state dict as safetensors, atomically."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file({name: t.detach().clone().contiguous() for name, t in state.items()}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_vectors(path: str | os.PathLike = SHIPPED) -> KeyedVectors:
    """Read vectors that `save_vectors` wrote; by default those that the package ships.

    Raises:
        OSError: no such file. ValueError: another kind of file; names it.
    """
    state = load(path)
    if set(state) != {"vectors", "words"} or state["words"].dtype != torch.uint8:
        raise ValueError(f"{path} must hold 'vectors' and 'words', got {sorted(state)}")
    try:
        words = bytes(state["words"].tolist()).decode("utf-8", "surrogateescape").split("\n")
        return KeyedVectors(words, state["vectors"].float())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def save_vectors(
    path: str | os.PathLike, vectors: KeyedVectors, dtype: torch.dtype = torch.float16
) -> None:
    """Write vectors and their words as safetensors; words are kept as one text in UTF-8.

    Raises:
        ValueError: a word with a line end in it, or a number that is too large for ``dtype``.
    """
    for word in vectors.words:
        if "\n" in word:
            raise ValueError(f"a word must have no line end, got {word!r}")
    bytes_ = "\n".join(vectors.words).encode("utf-8", "surrogateescape")
    rows = vectors.vectors.to(dtype)
    if (rows.isinf() & ~vectors.vectors.isinf()).any():
        largest = float(vectors.vectors.abs().max())
        raise ValueError(f"{largest:g} is too large for {dtype}: pass dtype=torch.float32")
    save(path, {"vectors": rows, "words": torch.tensor(list(bytes_), dtype=torch.uint8)})
