"""Files of a vocabulary: OpenAI's and Hugging Face's pair of them, and fairseq's order of ids."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Merges = list[tuple[bytes, bytes]]
END_OF_TEXT = "<|endoftext|>"  # OpenAI's; it is in RoBERTa's vocabulary, and no text gets it
FIRST_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")  # ids 0 to 3
MASK = "<mask>"  # the last id


def printable_bytes() -> dict[int, str]:
    """Return the character by which the released files write each byte, in the order of the ids.

    Bytes that print stand for themselves; the 68 others get the characters from U+0100 on.
    """
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {byte: chr(byte) for byte in printing} | {
        byte: chr(256 + n) for n, byte in enumerate(others)
    }


BYTE_TO_CHARACTER = printable_bytes()
CHARACTER_TO_BYTE = {character: byte for byte, character in BYTE_TO_CHARACTER.items()}


def read_encoder(path: str | os.PathLike) -> dict[str, int]:
    """Return the table of an ``encoder.json`` or ``vocab.json``: tokens as characters, and ids.

    Raises:
        OSError: it cannot be opened. ValueError: it is something else, or has an id twice.
    """
    try:
        table = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    if not isinstance(table, dict) or not all(type(i) is int for i in table.values()):
        raise ValueError(f"{path} must map tokens to ids")
    if len(set(table.values())) < len(table):
        raise ValueError(f"{path} has an id twice")
    return table


def read_merges(path: str | os.PathLike) -> Merges:
    """Return the pairs of a ``vocab.bpe`` or ``merges.txt``, in their order.

    Raises:
        OSError: it cannot be opened. ValueError: a line that is no pair.
    """
    pairs = []
    for n, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or (n == 1 and line.startswith("#version")):
            continue
        parts = line.rstrip("\r").split(" ")
        if len(parts) != 2:
            raise ValueError(
                f"{path}, line {n}: expected two tokens with a blank between, got {line!r}"
            )
        pairs.append((from_characters(parts[0]), from_characters(parts[1])))
    return pairs


def read_dictionary(path: str | os.PathLike) -> list[str]:
    """Return the symbols of fairseq's ``dict.txt``, in their order: a symbol and a count a line.

    Raises:
        OSError: it cannot be opened. ValueError: a line that is something else, a symbol twice.
    """
    symbols = []
    for n, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        symbol, _, count = line.rpartition(" ")
        if not symbol or not count.isdigit():
            raise ValueError(f"{path}, line {n}: expected a symbol and a count, got {line!r}")
        symbols.append(symbol)
    if len(set(symbols)) < len(symbols):
        raise ValueError(f"{path} has a symbol twice")
    return symbols


def fairseq_order(
    symbols: list[str], table: Mapping[str, int]
) -> tuple[dict[int, bytes], dict[str, int]]:
    """Return RoBERTa's tokens and special texts by id.

    A symbol of the dictionary is the decimal of OpenAI's id; RoBERTa's id is its place, counted
    from 4, as four specials stand before it. ``<mask>`` is the last one.

    Args:
        symbols: of `read_dictionary`.
        table: of OpenAI's ``encoder.json``.

    Raises:
        ValueError: a token that the dictionary has not, or a number that OpenAI has not.
    """
    names = {i: name for name, i in table.items()}
    numbers = [int(symbol) for symbol in symbols if symbol.isdigit()]
    if set(numbers) != set(names):
        raise ValueError(
            f"dict.txt has {len(numbers)} numbers and encoder.json {len(names)} ids, of which "
            f"{len(set(numbers) & set(names))} are the same; all must be"
        )
    tokens, special = {}, {name: i for i, name in enumerate(FIRST_SPECIALS)}
    for i, symbol in enumerate(symbols, len(FIRST_SPECIALS)):
        name = names[int(symbol)] if symbol.isdigit() else symbol
        if not symbol.isdigit() or name == END_OF_TEXT:
            special[name] = i
        else:
            tokens[i] = from_characters(name)
    special[MASK] = len(FIRST_SPECIALS) + len(symbols)
    return tokens, special


def write(
    encoder: str | os.PathLike,
    merges: str | os.PathLike,
    tokens: Mapping[int, bytes],
    pairs: Iterable[tuple[bytes, bytes]],
    special: Mapping[str, int],
) -> None:
    """Write ``vocab.json`` and ``merges.txt``; each is there whole or not at all."""
    table = {to_characters(token): i for i, token in tokens.items()} | dict(special)
    table = dict(sorted(table.items(), key=lambda item: item[1]))
    lines = [f"{to_characters(a)} {to_characters(b)}\n" for a, b in pairs]
    _write(Path(encoder), json.dumps(table, ensure_ascii=False))
    _write(Path(merges), "#version: 0.2\n" + "".join(lines))


def to_characters(token: bytes) -> str:
    """Return a token as the released files write it."""
    return "".join(BYTE_TO_CHARACTER[byte] for byte in token)


def from_characters(name: str) -> bytes:
    """Return the bytes of a token that is written in characters.

    Raises:
        ValueError: a character that stands for no byte.
    """
    for character in name:
        if character not in CHARACTER_TO_BYTE:
            raise ValueError(f"the token {name!r} has {character!r}, which stands for no byte")
    return bytes(CHARACTER_TO_BYTE[character] for character in name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
