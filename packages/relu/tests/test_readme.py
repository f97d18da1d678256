"""The examples of the README's *Use it* run as they stand.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
USE_IT = README.partition("\n## Use it\n")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"^```python\n(.*?)^```", USE_IT, flags=re.M | re.S)


def test_use_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    assert EXAMPLES, "Use it has a Python example"
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for example in EXAMPLES:
        exec(compile(example, "README.md", "exec"), names)
