"""The examples of the README's *Use it* and the worked answers run as they stand.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
README, ANSWERS = PACKAGE / "README.md", PACKAGE / "ANSWERS.md"


def run(text, name):
    """Run a text's Python blocks from top to bottom, as one program; return how many."""
    blocks = list(re.finditer(r"^```python\n(.*?)^```", text, flags=re.M | re.S))
    names = {"__name__": "__main__"}
    for block in blocks:
        lines = "\n" * text.count("\n", 0, block.start(1))  # an error names the line of the text
        exec(compile(lines + block[1], name, "exec"), names)
    return len(blocks)


def test_use_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = README.read_text(encoding="utf-8")
    before, _, after = text.partition("\n## Use it\n")
    use_it = "\n" * (before.count("\n") + 2) + after.partition("\n## ")[0]
    assert run(use_it, str(README)), "Use it has a Python example"


@pytest.mark.skipif(not ANSWERS.exists(), reason="no worked answers")
def test_the_answers_compute_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(ANSWERS.read_text(encoding="utf-8"), str(ANSWERS))
