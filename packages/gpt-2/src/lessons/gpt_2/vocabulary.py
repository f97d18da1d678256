"""Files of a vocabulary: OpenAI's, which are also Hugging Face's, and tiktoken's."""

import base64
import binascii
import itertools
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

Merges = list[tuple[bytes, bytes]]


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


def read(
    encoder: str | os.PathLike, merges: str | os.PathLike, special: Collection[str], end: str
) -> tuple[dict[int, bytes], Merges, dict[str, int]]:
    """Return tokens, merges and special texts; arguments as for `ByteLevelBPE.load`."""
    try:
        table = json.loads(Path(encoder).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{encoder} is no JSON: {error}") from error
    if not isinstance(table, dict) or not all(type(i) is int for i in table.values()):
        raise ValueError(f"{encoder} must map tokens to ids")
    names = {end, *special}
    own = {name: i for name, i in table.items() if name in names}
    if unknown := sorted(set(special) - set(own)):
        raise ValueError(f"{encoder} has no {unknown[0]!r}")
    tokens = {}
    for name, i in table.items():
        if name in names:
            continue
        if i in tokens:
            raise ValueError(f"{encoder} has the id {i} twice")
        tokens[i] = _from_characters(name, f"{encoder}")
    pairs, known = [], set(tokens.values())
    for n, line in enumerate(Path(merges).read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or (n == 1 and line.startswith("#version")):
            continue
        where = f"{merges}, line {n}"
        parts = line.rstrip("\r").split(" ")
        if len(parts) != 2:
            raise ValueError(f"{where}: expected two tokens with a blank between, got {line!r}")
        a, b = (_from_characters(part, where) for part in parts)
        for token in (a, b, a + b):
            if token not in known:
                raise ValueError(f"{where}: {encoder} has no token {token!r}")
        pairs.append((a, b))
    if len(tokens) != 256 + len({a + b for a, b in pairs}):
        raise ValueError(
            f"{encoder} has {len(tokens)} tokens, and {merges} makes "
            f"{256 + len({a + b for a, b in pairs})}: these files are not of one vocabulary"
        )
    return tokens, pairs, own


def read_ranks(path: str | os.PathLike) -> tuple[dict[int, bytes], Merges]:
    """Return tokens and merges of a file of tiktoken's; as for `ByteLevelBPE.load_ranks`."""
    ids: dict[bytes, int] = {}
    for n, line in enumerate(Path(path).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            text, rank = line.split()
            token, i = base64.b64decode(text, validate=True), int(rank)
        except (ValueError, binascii.Error) as error:
            raise ValueError(f"{path}, line {n}: expected a token in base64, and its id") from error
        if token in ids:
            raise ValueError(f"{path}, line {n}: the token {token!r} is there twice")
        ids[token] = i
    merges = []
    for token, i in sorted(ids.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = _before(token, ids, i)
            if len(parts) != 2:
                raise ValueError(f"{path}: {token!r} is not made of two tokens with smaller ids")
            merges.append((parts[0], parts[1]))
    tokens = {i: token for token, i in ids.items()}
    if len(tokens) < len(ids):
        raise ValueError(f"{path} has an id twice")
    return tokens, merges


def write(
    encoder: str | os.PathLike,
    merges: str | os.PathLike,
    tokens: Mapping[int, bytes],
    pairs: Iterable[tuple[bytes, bytes]],
    special: Mapping[str, int],
) -> None:
    """Write both files of a vocabulary; each is there whole or not at all."""
    table = {_to_characters(token): i for i, token in tokens.items()} | dict(special)
    lines = [f"{_to_characters(a)} {_to_characters(b)}\n" for a, b in pairs]
    _write(Path(encoder), json.dumps(table, ensure_ascii=False))
    _write(Path(merges), "#version: 0.2\n" + "".join(lines))


def write_ranks(path: str | os.PathLike, tokens: Mapping[int, bytes]) -> None:
    """Write a file as tiktoken has it; it is there whole or not at all."""
    lines = (f"{base64.b64encode(token).decode()} {i}\n" for i, token in sorted(tokens.items()))
    _write(Path(path), "".join(lines))


def _before(token: bytes, ids: Mapping[bytes, int], limit: int) -> list[bytes]:
    """Return what a token's bytes become by the merges whose ids are below a limit."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 1:
        found = [ids.get(a + b, limit) for a, b in itertools.pairwise(parts)]
        at = min(range(len(found)), key=found.__getitem__)
        if found[at] >= limit:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def _to_characters(token: bytes) -> str:
    return "".join(BYTE_TO_CHARACTER[byte] for byte in token)


def _from_characters(name: str, where: str) -> bytes:
    for character in name:
        if character not in CHARACTER_TO_BYTE:
            raise ValueError(f"{where}: {name!r} has {character!r}, which stands for no byte")
    return bytes(CHARACTER_TO_BYTE[character] for character in name)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
