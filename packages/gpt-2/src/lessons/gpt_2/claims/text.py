"""Prose that is on every machine with Python: the help on its language, about 465,000 characters.

It differs a little from one version of Python to the next, so that runs tell its digest.
"""

import hashlib

from ..memorization import words


def prose() -> str:
    """Return the text, in the order of the topics' names."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics))


def parts(count: int, size: int | None = None) -> list[str]:
    """Return the text in parts of equal length that have nothing in common.

    Args:
        count: how many.
        size: characters of each at most; None: all there are.
    """
    text = prose()
    length = len(text) // count
    return [text[i * length : i * length + min(length, size or length)] for i in range(count)]


def told() -> str:
    """Say what the text is."""
    text = prose()
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"Python's own help on its language ({len(words(text)):,} words, SHA-256 {digest}…)"
