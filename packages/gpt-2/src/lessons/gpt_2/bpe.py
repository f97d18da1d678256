r"""Byte-level byte-pair encoding (Radford et al. 2019, §2.2): any bytes in, the same bytes out.

A text is cut into pieces that stay within one category of characters (`pretokens`). Within a piece,
UTF-8 bytes are joined pair by pair, always the pair that was learned first, until none is left.
"""

import heapq
import itertools
import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from . import vocabulary
from .merging import learn
from .pieces import pretokens

END_OF_TEXT = "<|endoftext|>"
KEPT = 1 << 18  # pieces whose ids are remembered
SHORT = 48  # tokens of a piece from which on a heap is faster than looking through it


class ByteLevelBPE:
    """Text to ids, and back.

    Args:
        tokens: bytes of each id; all 256 single bytes are among them.
        merges: pairs of tokens, in the order in which they were learned.
        special: texts with an id of their own that no ordinary text gets.
        barrier: as for `pretokens`.
        space: as for `pretokens`.

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
            barrier: as for `pretokens`.
            space: as for `pretokens`.

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
        order = list(vocabulary.BYTE_TO_CHARACTER)
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
        return cls(*vocabulary.read(encoder, merges, special, END_OF_TEXT))

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
        return cls(*vocabulary.read_ranks(path), special)

    def save_ranks(self, path: str | os.PathLike) -> None:
        """Write the file that ``load_ranks`` reads; it is there whole or not at all."""
        vocabulary.write_ranks(path, self.tokens)

    def save(self, encoder: str | os.PathLike, merges: str | os.PathLike) -> None:
        """Write the files that ``load`` reads; each is there whole or not at all."""
        vocabulary.write(encoder, merges, self.tokens, self.merges, self.special)


def _utf8(text: str, errors: str = "strict") -> bytes:
    try:
        return text.encode("utf-8", errors)
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ValueError(
            f"text has {half}, half of a surrogate pair, which no UTF-8 has"
        ) from error
