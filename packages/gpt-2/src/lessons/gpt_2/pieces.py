"""How a text is cut into pieces that no token crosses (Radford et al. 2019, §2.2)."""

import functools
import re
import unicodedata

# What Unicode calls white space. Python's \s also takes U+001C to U+001F.
SPACES = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
LAST = 0x40000  # the planes behind have no letters and no numbers


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
        barrier: §2.2: no piece across categories; False: cut at white space only.
        space: §2.2's exception: a piece may begin with one blank.
    """
    return pattern(barrier, space).findall(text)
