r"""Byte-level byte-pair encoding (Radford et al. 2019, §2.2): any bytes in, the same bytes out.

A text is cut into pieces that stay within one category of characters (`pretokens`). Within a piece,
UTF-8 bytes are joined pair by pair, always the pair that was learned first, until none is left.
"""

import base64
import binascii
import functools
import heapq
import itertools
import json
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

from .merging import learn

END_OF_TEXT = "<|endoftext|>"
# What Unicode calls white space. Python's \s also takes U+001C to U+001F.
SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
LAST = 0x40000  # the planes behind have no letters and no numbers
KEPT = 1 << 18  # pieces whose ids are remembered
SHORT = 48  # tokens of a piece from which on a heap is faster than looking through it


@functools.cache
def _category(first: str) -> str:
    """Return all characters of categories L* or N*, as they stand between [ and ] in a pattern."""
    ranges: list[list[int]] = []
    for code in range(LAST):
        if unicodedata.category(chr(code))[0] == first:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(a)}-{chr(b)}" if b > a else chr(a) for a, b in ranges)


@functools.cache
def pattern(barrier: bool = True, space: bool = True) -> re.Pattern[str]:
    r"""Return the pattern that cuts a text into pieces.

    The released one is written for the package regex, as Python's re has no \p{L}:
    ``'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+``. Here letters and
    numbers are written out as Python's own Unicode tables have them.

    Args:
        barrier: §2.2: no piece across categories; False: cut at white space only.
        space: §2.2's exception: a piece may begin with one blank.
    """
    letters, numbers = _category("L"), _category("N")
    blank = " ?" if space else ""
    if barrier:
        kinds = [f"[{letters}]+", f"[{numbers}]+", f"[^{SPACES}{letters}{numbers}]+"]
    else:
        kinds = [f"[^{SPACES}]+"]
    parts = ["'(?:s|t|re|ve|m|ll|d)"] if barrier else []
    parts += [blank + kind for kind in kinds]
    parts += [f"[{SPACES}]+(?![^{SPACES}])", f"[{SPACES}]+"]
    return re.compile("|".join(parts))


def pretokens(text: str, barrier: bool = True, space: bool = True) -> list[str]:
    """Cut a text into pieces that no token crosses; joined they are the text.

    Args:
        text: any.
        barrier: as for `pattern`.
        space: as for `pattern`.
    """
    return pattern(barrier, space).findall(text)


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


class ByteLevelBPE:
    """Text to ids, and back.

    Args:
        tokens: bytes of each id; all 256 single bytes are among them.
        merges: pairs of tokens, in the order in which they were learned.
        special: texts with an id of their own that no ordinary text gets.
        barrier: as for `pattern`.
        space: as for `pattern`.

    Raises:
        ValueError: a byte without an id, a pair of which a part or the whole is no token, or an id
            twice.

    Source: §2.2.
    """

    def __init__(
        self,
        tokens: Mapping[int, bytes],
        merges: Iterable[tuple[bytes, bytes]],
        special: Mapping[str, int] | None = None,
        barrier: bool = True,
        space: bool = True,
    ) -> None:
        self.tokens, self.merges, self.special = dict(tokens), list(merges), dict(special or {})
        self.barrier, self.space = barrier, space
        ids = {token: i for i, token in self.tokens.items()}
        if len(ids) < len(self.tokens):
            raise ValueError("tokens has the same bytes under two ids")
        if missing := [byte for byte in range(256) if bytes([byte]) not in ids]:
            raise ValueError(
                f"tokens has no id for the byte 0x{missing[0]:02x}; all 256 are needed"
            )
        if both := set(self.special.values()) & set(self.tokens):
            raise ValueError(f"special has the id {min(both)}, which a token has, too")
        if len(set(self.special.values())) < len(self.special):
            raise ValueError("special has an id twice")
        self.ids = ids
        self.rules: dict[tuple[int, int], tuple[int, int]] = {}  # pair of ids: rank, id
        for rank, (a, b) in enumerate(self.merges):
            if a not in ids or b not in ids or a + b not in ids:
                absent = next(token for token in (a, b, a + b) if token not in ids)
                raise ValueError(f"merges, rule {rank + 1}: {absent!r} is no token")
            self.rules.setdefault((ids[a], ids[b]), (rank, ids[a + b]))
        self._byte_ids = [ids[bytes([byte])] for byte in range(256)]
        self._special_texts = {i: text.encode() for text, i in self.special.items()}
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        special: Collection[str] = (END_OF_TEXT,),
        barrier: bool = True,
        space: bool = True,
    ) -> "ByteLevelBPE":
        """Learn merges: again and again the most frequent pair becomes a token.

        Of pairs equally frequent the one with the smaller ids is taken. Fewer tokens than asked for
        come out where no pair is left.

        Args:
            texts: to learn from.
            vocab_size: ids in all, bytes and special ones included.
            special: texts that get the last ids, as in the released vocabulary.
            barrier: as for `pattern`.
            space: as for `pattern`.

        Raises:
            TypeError: one text in the place of many.
            ValueError: no room for the bytes, or no text.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be several strings, got one: put it into a list")
        if vocab_size < 256 + len(special):
            least = f"256 bytes and {len(special)} special"
            raise ValueError(f"vocab_size must be at least {least} ones, got {vocab_size}")
        counts: dict[bytes, int] = {}
        for text in texts:
            for piece in pretokens(text, barrier, space):
                raw = _utf8(piece)
                counts[raw] = counts.get(raw, 0) + 1
        if not counts:
            raise ValueError("texts are empty: there is nothing to learn from")
        order = list(BYTE_TO_CHARACTER)
        place = {byte: i for i, byte in enumerate(order)}
        words = {tuple(place[byte] for byte in raw): n for raw, n in counts.items()}
        tokens = {i: bytes([byte]) for i, byte in enumerate(order)}
        pairs = learn(words, tokens, vocab_size - len(special))
        merges = [(tokens[a], tokens[b]) for a, b in pairs]
        last = {text: len(tokens) + i for i, text in enumerate(special)}
        return cls(tokens, merges, last, barrier, space)

    def __len__(self) -> int:
        """Return the number of ids."""
        return len(self.tokens) + len(self.special)

    def encode(
        self,
        text: str,
        allowed_special: Collection[str] | Literal["all"] = (),
        disallowed_special: Collection[str] | Literal["all"] = "all",
    ) -> list[int]:
        """Return the ids of a text.

        Args:
            text: any that UTF-8 can write.
            allowed_special: special texts that become their own id where they occur.
            disallowed_special: special texts that are refused where they occur: a text from a
                stranger should not end a document. What is in neither is ordinary text.

        Raises:
            TypeError: something else than a string.
            ValueError: a special text that is not allowed, or half of a surrogate pair.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {type(text).__name__}")
        allowed = set(self.special) if allowed_special == "all" else set(allowed_special)
        if unknown := sorted(allowed - set(self.special)):
            raise ValueError(f"allowed_special has {unknown[0]!r}; known are {[*self.special]}")
        refused = set(self.special) if disallowed_special == "all" else set(disallowed_special)
        for name in sorted(refused - allowed):
            if name in text:
                raise ValueError(
                    f"text has {name!r}: allowed_special={{{name!r}}} makes it one id, "
                    f"disallowed_special=() makes it ordinary text"
                )
        if not allowed:
            return self._ordinary(text)
        longest = sorted(allowed, key=len, reverse=True)
        ids: list[int] = []
        for i, part in enumerate(re.split(f"({'|'.join(map(re.escape, longest))})", text)):
            ids += [self.special[part]] if i % 2 else self._ordinary(part)
        return ids

    def encode_bytes(self, data: bytes) -> list[int]:
        """Return the ids of any bytes, also of such as are no UTF-8; nothing in them is special."""
        return self._ordinary(data.decode("utf-8", "surrogateescape"), "surrogateescape")

    def _ordinary(self, text: str, errors: str = "strict") -> list[int]:
        ids: list[int] = []
        for piece in pretokens(text, self.barrier, self.space):
            found = self._cache.get(piece)
            if found is None:
                start = [self._byte_ids[byte] for byte in _utf8(piece, errors)]
                merge = self.merge_by_heap if len(start) > SHORT else self.merge
                found = tuple(merge(start))
                # Bytes that are no UTF-8 are not kept: `encode` would then take them for text.
                if errors == "strict" and len(start) <= SHORT and len(self._cache) < KEPT:
                    self._cache[piece] = found
            ids.extend(found)
        return ids

    def merge(self, ids: list[int]) -> list[int]:
        """Join pairs, each time the leftmost of those that were learned first."""
        ids, none = list(ids), (len(self.merges), -1)
        while len(ids) > 1:
            rules = [self.rules.get(pair, none) for pair in itertools.pairwise(ids)]
            at = min(range(len(rules)), key=lambda i: rules[i][0])
            if rules[at] == none:
                break
            ids[at : at + 2] = [rules[at][1]]
        return ids

    def merge_by_heap(self, ids: list[int]) -> list[int]:
        """Do the same in n log n steps: pairs wait in a heap, neighbours are linked."""
        ids = list(ids)
        n = len(ids)
        after, before = [*range(1, n + 1)], [*range(-1, n - 1)]
        heap: list[tuple[int, int, int, int, int]] = []

        def wait(at: int) -> None:
            if at >= 0 and after[at] < n:
                pair = ids[at], ids[after[at]]
                if pair in self.rules:
                    rank, new = self.rules[pair]
                    heapq.heappush(heap, (rank, at, *pair, new))

        for at in range(n - 1):
            wait(at)
        while heap:
            _, at, a, b, new = heapq.heappop(heap)
            right = after[at]
            if ids[at] != a or right >= n or ids[right] != b:  # one of the two is gone
                continue
            ids[at], ids[right], after[at] = new, -1, after[right]
            if after[right] < n:
                before[after[right]] = at
            wait(before[at])
            wait(at)
        return [i for i in ids if i >= 0]

    def encode_batch(self, texts: Iterable[str], **how) -> list[list[int]]:
        """Return the ids of several texts; further arguments as for ``encode``."""
        return [self.encode(text, **how) for text in texts]

    def token_bytes(self, i: int) -> bytes:
        """Return the bytes of an id; of a special one its text in UTF-8.

        Raises:
            ValueError: no such id.
        """
        i = int(i)
        if i in self.tokens:
            return self.tokens[i]
        if i in self._special_texts:
            return self._special_texts[i]
        raise ValueError(f"ids has {i}, which the vocabulary of {len(self)} has not")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of ids."""
        return b"".join(self.token_bytes(i) for i in ids)

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """Return the text of ids; ``errors``, as in `bytes.decode`, says what broken UTF-8 gives.

        Ids may end within a character, and a model may produce any.
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    @classmethod
    def load(
        cls, encoder: str | os.PathLike, merges: str | os.PathLike, special: Collection[str] = ()
    ) -> "ByteLevelBPE":
        """Read the files of a vocabulary: OpenAI's, or Hugging Face's, which are the same.

        Args:
            encoder: ``encoder.json`` or ``vocab.json``: ids of tokens, written as characters.
            merges: ``vocab.bpe`` or ``merges.txt``: a pair a line.
            special: entries of ``encoder`` that are special; ``<|endoftext|>`` is so anyhow.

        Raises:
            OSError: a file cannot be opened.
            ValueError: it is something else; says where.
        """
        try:
            table = json.loads(Path(encoder).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{encoder} is no JSON: {error}") from error
        if not isinstance(table, dict) or not all(type(i) is int for i in table.values()):
            raise ValueError(f"{encoder} must map tokens to ids")
        names = {END_OF_TEXT, *special}
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
        return cls(tokens, pairs, own)

    @classmethod
    def load_ranks(
        cls, path: str | os.PathLike, special: Mapping[str, int] | None = None
    ) -> "ByteLevelBPE":
        """Read a file as tiktoken has it: on each line a token's bytes in base64, and its id.

        Such a file has no merges: ids are in the order of learning, so that a token is made of the
        two that its bytes become by all merges before it.

        Args:
            path: the file.
            special: texts and their ids, which the file does not have.

        Raises:
            OSError: the file cannot be opened.
            ValueError: it is something else; says where.
        """
        ids: dict[bytes, int] = {}
        for n, line in enumerate(Path(path).read_bytes().splitlines(), 1):
            if not line.strip():
                continue
            try:
                text, rank = line.split()
                token, i = base64.b64decode(text, validate=True), int(rank)
            except (ValueError, binascii.Error) as error:
                raise ValueError(
                    f"{path}, line {n}: expected a token in base64, and its id"
                ) from error
            if token in ids:
                raise ValueError(f"{path}, line {n}: the token {token!r} is there twice")
            ids[token] = i
        merges = []
        for token, i in sorted(ids.items(), key=lambda item: item[1]):
            if len(token) > 1:
                parts = _before(token, ids, i)
                if len(parts) != 2:
                    raise ValueError(
                        f"{path}: {token!r} is not made of two tokens with smaller ids"
                    )
                merges.append((parts[0], parts[1]))
        tokens = {i: token for token, i in ids.items()}
        if len(tokens) < len(ids):
            raise ValueError(f"{path} has an id twice")
        return cls(tokens, merges, special)

    def save_ranks(self, path: str | os.PathLike) -> None:
        """Write the file that ``load_ranks`` reads; it is there whole or not at all."""
        lines = (
            f"{base64.b64encode(token).decode()} {i}\n" for i, token in sorted(self.tokens.items())
        )
        _write(Path(path), "".join(lines))

    def save(self, encoder: str | os.PathLike, merges: str | os.PathLike) -> None:
        """Write the files that ``load`` reads; each is there whole or not at all."""
        table = {_to_characters(token): i for i, token in self.tokens.items()} | self.special
        lines = [f"{_to_characters(a)} {_to_characters(b)}\n" for a, b in self.merges]
        _write(Path(encoder), json.dumps(table, ensure_ascii=False))
        _write(Path(merges), "#version: 0.2\n" + "".join(lines))


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


def _utf8(text: str, errors: str = "strict") -> bytes:
    try:
        return text.encode("utf-8", errors)
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ValueError(
            f"text has {half}, half of a surrogate pair, which no UTF-8 has"
        ) from error


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
