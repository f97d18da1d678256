"""A package's prose: README.md, CLAIMS.md and ANSWERS.md, read, and leading to each other.

README.md has a line a claim; CLAIMS.md has each in full, and ANSWERS.md answers the exercises.
"""

import re
from pathlib import Path
from typing import Any

from lessons.papers import claims

from .reader import Document, plain, read, walk


def records(folder: Path) -> list[dict[str, Any]]:
    """Return what was found of a package's claims; [] if nothing has been measured."""
    return (claims.results(folder) or {"claims": []})["claims"]


def prose(folder: Path) -> dict[str, Document]:
    """Read a package's documents by name; the two beside README.md, if there are any.

    Where README.md tells what was measured, a claim named in parentheses leads to CLAIMS.md; its
    exercises lead to their answers.
    """
    explanation = read(folder / "README.md")
    beside = [folder / "CLAIMS.md", folder / "ANSWERS.md"]
    found = {"README.md": explanation} | {p.name: read(p) for p in beside if p.is_file()}
    ids = {record["id"] for record in records(folder)} if "CLAIMS.md" in found else set()

    def lead(element: dict[str, Any]) -> Any:
        said = element["t"] == "Str" and re.fullmatch(r"(\(?)(\w+)(\)?\S?)", element["c"])
        # Layers of LeNet have such names too, but not in parentheses.
        if not said or said[2] not in ids or not (said[1] or ")" in said[3]):
            return None
        return [_words(said[1]), _link(said[2], f"{folder}/CLAIMS.md#{said[2]}"), _words(said[3])]

    untold = "ANSWERS.md" in found and f"{folder}/ANSWERS.md" not in str(explanation.blocks)
    blocks, section = list[Any](), ""
    for block in [*explanation.blocks, None]:
        if block is None or (block["t"] == "Header" and block["c"][0] == 2):
            if section == "Exercises" and untold:
                answers = _link("Worked answers", f"{folder}/ANSWERS.md")
                blocks.append({"t": "Para", "c": [answers, _words(".")]})
            section = plain(block)
        if block:
            blocks.append(walk(block, lead) if section == "What we measured" else block)
    explanation.blocks = blocks
    return found


def _link(words: str, target: str) -> dict[str, Any]:
    return {"t": "Link", "c": [["", [], []], [_words(words)], [target, ""]]}


def _words(text: str) -> dict[str, Any]:
    return {"t": "Str", "c": text}
