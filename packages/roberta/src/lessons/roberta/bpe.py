r"""Byte-level byte-pair encoding (Liu et al. 2019, §4.4; Radford et al. 2019, §2.2).

A text is cut into pieces that stay within one category of characters (`pretokens`). Within a piece,
UTF-8 bytes are joined pair by pair, always the pair that was learned first, until none is left. No
text needs an "unknown" token: its bytes are tokens.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from .merging import learn
from .pieces import pretokens
from .vocabulary import BYTE_TO_CHARACTER

KEPT = 1 << 18  # pieces whose ids are remembered
SHORT = 48  # bytes of a piece that is


class ByteLevelBPE:
    """Text to ids, and back.

    Args:
        tokens: bytes of each id; all 256 single bytes are among them. Ids may be any: OpenAI's are
            in the order of the merges, RoBERTa's in that of the tokens' frequencies.
        merges: pairs of tokens, in the order in which they were learned.

    Raises:
        ValueError: a byte without an id, a pair of which a part or the whole is no token, or the
            same bytes under two ids.

    Source: §4.4.
    """

    def __init__(self, tokens: Mapping[int, bytes], merges: Iterable[tuple[bytes, bytes]]) -> None:
        self.tokens, self.merges = dict(tokens), list(merges)
        ids = {token: i for i, token in self.tokens.items()}
        if len(ids) < len(self.tokens):
            raise ValueError("tokens has the same bytes under two ids")
        if missing := [byte for byte in range(256) if bytes([byte]) not in ids]:
            raise ValueError(
                f"tokens has no id for the byte 0x{missing[0]:02x}; all 256 are needed"
            )
        self.ids = ids
        self.rules: dict[tuple[int, int], tuple[int, int]] = {}  # pair of ids: rank, id
        for rank, (a, b) in enumerate(self.merges):
            if a not in ids or b not in ids or a + b not in ids:
                absent = next(token for token in (a, b, a + b) if token not in ids)
                raise ValueError(f"merges, rule {rank + 1}: {absent!r} is no token")
            self.rules.setdefault((ids[a], ids[b]), (rank, ids[a + b]))
        self._byte_ids = [ids[bytes([byte])] for byte in range(256)]
        self._cache: dict[str, tuple[int, ...]] = {}

    @classmethod
    def train(cls, texts: Iterable[str], size: int, first_id: int = 0) -> "ByteLevelBPE":
        """Learn merges: again and again the most frequent pair becomes a token.

        Of pairs equally frequent the one with the smaller ids is taken. Fewer tokens than asked for
        come out where no pair is left.

        Args:
            texts: to learn from.
            size: tokens in all, the 256 bytes included.
            first_id: of the first byte; those behind follow.

        Raises:
            TypeError: one text in the place of many.
            ValueError: no room for the bytes, or no text.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be several strings, got one: put it into a list")
        if size < 256:
            raise ValueError(f"size must be at least 256, the bytes, got {size}")
        counts: dict[bytes, int] = {}
        for text in texts:
            for piece in pretokens(text):
                raw = _utf8(piece)
                counts[raw] = counts.get(raw, 0) + 1
        if not counts:
            raise ValueError("texts are empty: there is nothing to learn from")
        order = list(BYTE_TO_CHARACTER)
        place = {byte: i for i, byte in enumerate(order)}
        words = {tuple(place[byte] for byte in raw): n for raw, n in counts.items()}
        tokens = {i: bytes([byte]) for i, byte in enumerate(order)}
        merges = [(tokens[a], tokens[b]) for a, b in learn(words, tokens, size)]
        return cls({first_id + i: token for i, token in tokens.items()}, merges)

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text.

        Raises:
            TypeError: something else than a string.
            ValueError: half of a surrogate pair, which UTF-8 cannot write.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, got {type(text).__name__}")
        ids: list[int] = []
        for piece in pretokens(text):
            found = self._cache.get(piece)
            if found is None:
                start = [self._byte_ids[byte] for byte in _utf8(piece)]
                found = tuple(self.merge(start))
                if len(start) <= SHORT and len(self._cache) < KEPT:
                    self._cache[piece] = found
            ids.extend(found)
        return ids

    def encode_words(self, words: Sequence[str]) -> list[list[int]]:
        """Return the ids of each word of a sentence, a blank before all but the first."""
        return [self.encode(word if not i else f" {word}") for i, word in enumerate(words)]

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

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of ids.

        Raises:
            ValueError: no such id.
        """
        found = []
        for i in ids:
            if int(i) not in self.tokens:
                raise ValueError(f"ids has {int(i)}, which is none of the {len(self)} tokens")
            found.append(self.tokens[int(i)])
        return b"".join(found)

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """Return the text of ids; ``errors`` as in `bytes.decode`, for ids that are no UTF-8."""
        return self.decode_bytes(ids).decode("utf-8", errors)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ValueError(f"text has {half}, half of a surrogate pair") from error
