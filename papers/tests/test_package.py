"""A package from its scaffold to a kept contract, and every way to break it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pypdf
import pytest

from lessons.papers import __main__ as command_line
from lessons.papers import bibliography, claims, contract, imports, pdf, readme, scaffold, topics

ROOT = Path(__file__).parents[2]
DRAWING = (
    "<svg xmlns='http://www.w3.org/2000/svg'><title>Two losses</title>"
    "<style>@media (prefers-color-scheme:dark){}</style><text>loss</text></svg>"
)
TABLE = "a\n<!-- [[[cog topics_table() ]]] -->\n<!-- [[[end]]] -->\nb\n"
STEP = '''"""The step."""

import torch

RATES = {"slow": 0.1}


@torch.no_grad()
def step(x, gradient, lr=0.1):
    """Return x after a step."""

    # §2: against the gradient
    def scaled(gradient):
        """Scale it."""
        return lr * gradient

    return x - scaled(gradient)


class Descent:
    """Descent, step by step."""

    lr = 0.1

    def move(self, x, gradient):
        """Move x."""
        return step(x, gradient, self.lr)
'''


RECORDS = bibliography.load(ROOT)
DNN = topics.load(ROOT)["dnn"]
WORDS = {
    "id": "C1",
    "kind": "claim",
    "source": "§1, Table 1",
    "says": "Our method ends lower than the baseline.",
    "quotes": "Our method usually reaches a lower loss than the baseline.",
    "asks": "The loss after training, with both methods from the same weights on the same data.",
    "holds_if": "the 95% interval of (ours − baseline) lies below 0 nats",
    "fails_if": "it lies above",
    "paper": "0.1 against 0.2 nats",
    "full_only": False,
}
DECLARED = claims.declared
CLAIMS = [WORDS | {"draws": True}]
FOUND = {
    "verdict": "holds", "ran": "5 seeds", "measured": "0.1 against 0.3", "between": "",
    "would_decide": "", "ours": "−0.25 ± 0.12 nats", "numbers": {}, "timings": {},
    "rests_on": {"mean": -0.25, "low": -0.37, "high": -0.13, "n": 5, "side": "below", "line": 0},
    "figure": "C1.svg", "seconds": 1.0, "machine": "x86_64",
}  # fmt: skip


def make_root(folder):
    """Make a repository without packages."""
    (folder / "papers").mkdir()
    for name in ("papers.bib", "topics.toml"):
        shutil.copy(ROOT / "papers" / name, folder / "papers")
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "packages").mkdir()
    (folder / pdf.TEMPLATE).parent.mkdir(parents=True)
    (folder / pdf.TEMPLATE).write_text("#let page = 1")
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository without packages, which is the current folder; its claims are the scaffold's."""
    monkeypatch.chdir(tmp_path)
    # Importing the real ones imports torch, which each time takes seconds.
    monkeypatch.setattr(claims, "declared", lambda root, topics: {t.module: CLAIMS for t in topics})
    return make_root(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A package that keeps the contract: the scaffold, with everything that it waits for."""
    root = make_root(tmp_path_factory.mktemp("finished"))
    package = scaffold.new(root, DNN, RECORDS)
    source = package / "src" / "lessons" / "dnn"
    (source / "step.py").write_text(STEP)
    (source / "__init__.py").write_text('"""DNN."""\n\nfrom .step import step as step\n')
    for name in ("test_oracle.py", "test_step.py"):
        (package / "tests" / name).write_text("def test_something():\n    assert 1 + 1 == 2\n")
    (package / "idea.svg").write_text(DRAWING)
    (package / "results").mkdir()
    (package / "results" / "C1.svg").write_text(DRAWING)
    content = {"run": "full, seed 0, cpu", "claims": [WORDS | FOUND]}
    text = json.dumps(content, ensure_ascii=False)
    (package / "results" / "claims.json").write_text(text)
    text = (package / "README.md").read_text()
    text = re.sub(r"\nWhat “.*\n", f"\n{'word ' * 100}\n", text)
    written = {
        "The problem": "word " * 1500,
        "The idea": "![a step downhill](idea.svg)",
        "The implementation": '<!-- [[[cog excerpt("step.py", "step") ]]] -->\n<!-- [[[end]]] -->',
        "Exercises": "1. a\n2. b\n3. c",
    }
    for heading, body in written.items():
        text = text.replace(f"## {heading}\n\nTo be written.", f"## {heading}\n\n{body}")
    drawn = '<!-- [[[cog figure("C1", "both losses, by seed") ]]] -->\n<!-- [[[end]]] -->'
    text = text.replace("\n## What it changed", f"\n{drawn}\n\n## What it changed")
    (package / "README.md").write_text(text)
    for name, generate in readme.generated(package, root, DNN, CLAIMS).items():
        readme.write(package / name, generate())
    paper = pypdf.PdfWriter()
    paper.add_blank_page(468, 666)
    sources = pdf.fingerprint(package, root, DNN, RECORDS)
    paper.add_metadata({"/Keywords": f"dnn, sources {sources}"})
    paper.write(package / "paper.pdf")
    return package


@pytest.fixture
def package(finished, root):
    """A copy of the finished package, to be broken."""
    return Path(shutil.copytree(finished, root / "packages" / "dnn"))


def command(*args):
    """Run the command; return its exit status."""
    try:
        return command_line.main(list(args))
    except SystemExit as exit:
        return exit.code


def problems(root):
    """Return what does not keep the contract in the package dnn."""
    return contract.check(root, [DNN], RECORDS, everything=False)


def test_a_scaffold_lacks_only_what_is_unwritten_and_is_well_formed(root, capsys):
    assert command("new", "dnn") == 0
    package = root / "packages" / "dnn"
    found = problems(root)
    unwritten = ("missing", "words", "has no", "should be 3 to 5", "no test_<file>.py")
    assert found
    assert [line for line in found if not any(word in line for word in unwritten)] == []
    assert not any("template" in line or "pyproject.toml" in line for line in found)
    ruff = [sys.executable, "-m", "ruff"]
    for task in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [*ruff, *task, str(package)], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    table = tomllib.loads((package / "pyproject.toml").read_text())["tool"]["lessons"]
    assert table == topics.load(root)["dnn"].table
    assert table["order"] == 1
    lab = package / "src" / "lessons" / "dnn" / "lab"
    assert {path.name for path in lab.iterdir()} >= {"claim.py", "statistics.py", "runner.py"}


def test_a_scaffold_of_two_words_has_its_module(root):
    assert command("new", "alex-net") == 0
    assert (
        root / "packages" / "alex-net" / "src" / "lessons" / "alex_net" / "lab" / "run.py"
    ).exists()
    text = (root / "packages" / "alex-net" / "pyproject.toml").read_text()
    assert tomllib.loads(text)["tool"]["uv"]["build-backend"]["module-name"] == "lessons.alex_net"


def test_new_overwrites_nothing(root, capsys):
    folder = root / "packages" / "dnn"
    folder.mkdir()
    (folder / "precious.txt").write_text("mine")
    assert command("new", "dnn") == 1
    assert "exists already; nothing was changed" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]
    assert [path.name for path in (root / "packages").iterdir()] == ["dnn"]


def test_a_finished_package_keeps_the_contract(root, package, capsys, monkeypatch):
    assert DECLARED(root, [DNN]) == {"dnn": CLAIMS}
    assert command("check", "dnn") == 0
    assert "dnn: as agreed" in capsys.readouterr().out


def replace(file, old, new):
    def change(package):
        path = package / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def add(file, text):
    def change(package):
        path = package / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text)

    return change


def replace_field(record, name, value):
    return bibliography.Record(record.key, record.fields | {name: value})


def remove(file):
    return lambda package: (package / file).unlink()


def project(old, new):
    return replace("pyproject.toml", old, new)


def prose(old, new):
    return replace("README.md", old, new)


def results(old, new):
    return replace("results/claims.json", old, new)


SOURCE = "src/lessons/dnn"
BREAKS = [
    (remove("idea.svg"), "idea.svg: missing"),
    (remove("results/claims.json"), "results/claims.json: missing"),
    (remove("tests/test_oracle.py"), "tests/test_oracle.py: missing"),
    (remove(f"{SOURCE}/py.typed"), "py.typed: missing"),
    (remove("LICENSE"), "LICENSE: missing: python -m lessons.papers template dnn"),
    (remove("tests/test_step.py"), "tests: no test_<file>.py"),
    (add("src/lessons/__init__.py", ""), "hides the other packages' modules"),
    (add(f"{SOURCE}/lab/runner.py", "\n"), "runner.py: differs from the template"),
    # metadata
    (project("year = 1986", "year = 1987"), "tool.lessons.year is 1987, and should be 1986"),
    (project("order = 1", "order = 2"), "tool.lessons.order is 2"),
    (add("pyproject.toml", "mood = 'good'\n"), "tool.lessons.mood is 'good', and should be None"),
    (project('"lessons-dnn"', '"dnn"'), "project.name is 'dnn'"),
    (project('"torch>=2.6"', '"torch>=2.6", "pandas"'), "pandas may not be a dependency"),
    (project('"numpy>=2", ', ""), "numpy has to be a dependency"),
    (project("demo = ", "show = "), "the extra demo is missing"),
    (project('"tests/**"', ""), "leaves the tests out"),
    # imports
    (add(f"{SOURCE}/step.py", "from lessons.adam import Adam\n"), "imports a sibling"),
    (add("tests/test_step.py", "from lessons import adam\n"), "imports a sibling, lessons.adam"),
    (add(f"{SOURCE}/step.py", "import rich\n"), "imports rich, which is no runtime dependency"),
    (add(f"{SOURCE}/extra.py", "import pandas\n"), "pandas, which the dependencies or extra"),
    (add("tests/test_step.py", "import transformers\n"), "which the extra test must declare"),
    # the explanation
    (prose("# Deep", "Deep"), "does not begin with a title"),
    (prose("## The idea", "## An idea"), "missing: The idea; not of the form: An idea"),
    (prose("word " * 1500, "word " * 900), "of prose; it should have 1500 to 3000"),
    (prose("\n\n## The problem", "\n\nMore.\n\n## The problem"), "more than one paragraph"),
    (prose("1. a\n2. b\n3. c", "1. a\n2. b"), "2 exercises"),
    (prose("python -m lessons.dnn", "python -m dnn"), "Use it has no python -m lessons.dnn"),
    (prose("![a step downhill]", "![]"), "alternative text says nothing"),
    (prose("(idea.svg)", "(ideas.svg)"), "ideas.svg leads nowhere"),
    (prose("## Exercises", "[x](../adam/README.md)\n\n## Exercises"), "out of the package"),
    (prose("## Exercises", "[x](https://arxiv.org/pdf/1)\n\n## Exercises"), "no url of papers.bib"),
    (prose(RECORDS["hinton1986learning"].url, "https://x.org"), "hinton1986learning is not cited"),
    (prose("    return x - scaled", "    return x + scaled"), "not in step"),
    (replace(f"{SOURCE}/step.py", "x - scaled", "x + scaled"), "not in step"),
    (replace(f"{SOURCE}/step.py", "def step", "def stride"), "it has RATES, stride, Descent"),
    (results("0.1 against 0.3", "0.1 against 0.4"), "CLAIMS.md: not in step"),
    # the results
    (results("full, seed", "default, seed"), "not from a full run"),
    (results("holds", "true"), "the verdict is 'true'"),
    (results("holds", "not seen at this scale"), "does not say what stands between"),
    (results("C1", "C9"), "C1 has not been measured"),
    (results("Our method", "Their method"), "C1: says differs"),
    (results("0.1 against 0.3", "lower"), "no number"),
    (results("{", "", ), "is not what the runner writes"),
    (remove("results/C1.svg"), "C1.svg is missing"),
    (replace(f"{SOURCE}/claims/__init__.py", "CLAIMS =", "CLAIM ="), "claims: cannot be imported"),
    (results("0.37", "0.38"), "CLAIMS.md: not in step"),
    (results("0.25 ± 0.12", "0.25 ± 0.13"), "committed.json: not in step"),
    (add("CLAIMS.md", "More.\n"), "CLAIMS.md: not in step"),
    (remove("CLAIMS.md"), "CLAIMS.md: missing"),
    (remove("ANSWERS.md"), "ANSWERS.md: missing"),
    (remove(f"{SOURCE}/claims/committed.json"), "committed.json: not in step"),
    (prose("\n## What it changed", "\nIt ends at 0.77.\n\n## What it changed"), "0.77 ("),
    # the house
    (add("notes.txt", "to do"), "notes.txt: is none of the files that a package has"),
    (add(f"{SOURCE}/step.py", "\n\nfrom .lab import run\n"), "the paper must know neither"),
    (add(f"{SOURCE}/reproduce.py", ""), "reproduce.py: belongs into claims/"),
    (add("results/C1.svg", "<"), "results/C1.svg: is not well-formed XML"),
    # the typeset paper
    (remove("paper.pdf"), "paper.pdf: missing"),
    (lambda package: (package / "paper.pdf").write_text("paper"), "paper.pdf: is no PDF"),
    (prose("word word", "word words"), "is older than its sources: nox -s papers -- dnn"),
    (results("full, seed 0", "full, seed 1"), "paper.pdf: is older"),
    (project('version = "0.1.0"', 'version = "0.2.0"'), "paper.pdf: is older"),
    (replace("idea.svg", "loss", "gain"), "paper.pdf: is older"),
    (replace("results/C1.svg", "loss", "gain"), "paper.pdf: is older"),
    (replace(f"../../{pdf.TEMPLATE}", "page", "leaf"), "paper.pdf: is older"),
    # drawings and paths
    (replace("idea.svg", "<text>loss</text>", "<path/>"), "idea.svg: has no text as text"),
    (replace("idea.svg", "<title>Two losses</title>", ""), "has no <title>"),
    (replace("idea.svg", "prefers-color-scheme", "print"), "no colours for dark paper"),
    (add(f"{SOURCE}/step.py", "DATA = '/ho" + "me/ada/data'\n"), "is a path of one machine"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "complaint"), BREAKS, ids=[text for _, text in BREAKS])
def test_every_breach_is_named(root, package, change, complaint, monkeypatch):
    if "be imported" in complaint:
        monkeypatch.setattr(claims, "declared", DECLARED)
    change(package)
    found = problems(root)
    assert any(complaint in line for line in found), found
    assert all(line.startswith("dnn: ") for line in found)


def test_a_paper_is_of_what_it_shows_and_of_no_more(root, package, monkeypatch):
    def found(record=RECORDS[DNN.papers[0]]):
        return list(pdf.problems(package, root, DNN, RECORDS | {record.key: record}))

    for path in package.rglob("*"):  # as a clone has it
        os.utime(path, (0, 0))
    add(f"{SOURCE}/step.py", "# Nothing that the paper has.\n")(package)
    (package / "results" / "C2.svg").write_text(DRAWING)
    assert found() == []
    record = RECORDS[DNN.papers[0]]
    assert found(replace_field(record, "pagecount", "46")) == []
    assert "is older than its sources" in found(replace_field(record, "title", "Learning"))[0][1]
    monkeypatch.setattr(pdf, "LARGEST", 100)
    ((_, what),) = found()
    assert "at most 100 are kept" in what


def test_importing_the_package_needs_its_runtime_dependencies_only(package):
    source = package / "src" / "lessons" / "dnn"
    (source / "show.py").write_text("import rich\n")
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert list(imports.problems(package, "dnn", project)) == []
    (source / "step.py").write_text(STEP + "\n\ndef show():\n    import rich\n")
    assert list(imports.problems(package, "dnn", project)) == []
    (source / "step.py").write_text(STEP.replace("import torch", "from . import show"))
    ((file, what),) = imports.problems(package, "dnn", project)
    assert file == "src/lessons/dnn/show.py"
    assert "importing lessons.dnn reaches this line" in what


def test_check_of_everything_looks_further(root, package, capsys, monkeypatch):
    (root / "packages" / "alchemy").mkdir()
    (root / "packages" / "alchemy" / "pyproject.toml").touch()
    bib = root / "papers" / "papers.bib"
    bib.write_text(bib.read_text().replace("  pagecount = {45},", "  pagecount = {all},"))
    (root / "README.md").write_text("<!-- [[[cog topics_table() ]]] -->\n<!-- [[[end]]] -->\n")
    assert command("check") == 1
    out = capsys.readouterr().out
    assert "papers.bib: rumelhart1986learning: pagecount is 'all'" in out
    assert "alchemy: pyproject.toml: no such topic" in out
    assert "README.md: the table of topics is not in step" in out


def test_sync_fills_blocks_and_leaves_the_rest(root, package, capsys):
    path = package / "README.md"
    before = path.read_text()
    path.write_text(before.replace("x - scaled(gradient)", "nonsense"))
    (root / "README.md").write_text(
        "a\n<!-- [[[cog topics_table() ]]] -->\n<!-- [[[end]]] -->\nb\n"
    )
    assert command("sync") == 0
    assert path.read_text() == before
    table = (root / "README.md").read_text()
    assert table.startswith("a\n<!--")
    assert table.endswith("<!-- [[[end]]] -->\nb\n")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 36
    assert "[Deep neural networks](packages/dnn/README.md)" in rows[2]
    assert "| 1 of 1 |" in rows[2]
    assert rows[3].endswith("| to come |  |")
    assert sum(row.startswith("| **") for row in rows) == 5, "a category is named once"
    capsys.readouterr()
    assert command("sync") == 0
    assert capsys.readouterr().out == "", "nothing is left to do"


def test_sync_says_which_block_is_wrong_and_changes_nothing(root, package, capsys):
    path = package / "README.md"
    path.write_text(path.read_text().replace('"step.py", "step"', '"step.py", "leap"'))
    before = path.read_text()
    assert command("sync", "dnn") == 1
    assert "packages/dnn/README.md: ValueError: step.py has no leap" in capsys.readouterr().err
    assert path.read_text() == before


def shown(capsys, source, *names, **options):
    readme.excerpt(source, "step.py", *names, **options)
    return capsys.readouterr().out


def test_excerpts_are_the_source(package, capsys):
    source = package / "src" / "lessons" / "dnn"
    assert shown(capsys, source, "step") == (
        "\n```python\n@torch.no_grad()\ndef step(x, gradient, lr=0.1):\n"
        "    # §2: against the gradient\n    def scaled(gradient):\n"
        "        return lr * gradient\n\n    return x - scaled(gradient)\n```\n\n"
    )
    assert '"""Return x after a step."""' in shown(capsys, source, "step", docstring=True)
    assert shown(capsys, source, "Descent.move") == (
        "\n```python\ndef move(self, x, gradient):\n    return step(x, gradient, self.lr)\n```\n\n"
    )
    both = shown(capsys, source, "RATES", "Descent")
    assert both.startswith('\n```python\nRATES = {"slow": 0.1}\n\nclass Descent:\n    lr = 0.1\n')
    readme.lines(source, "step.py", "def scaled", "return lr")
    assert "def scaled(gradient):\n    " in capsys.readouterr().out
    with pytest.raises(ValueError, match="no line with 'nowhere'"):
        readme.lines(source, "step.py", "nowhere", "return")


DEMONSTRATION = {
    "id": "D1", "kind": "demonstration", "source": "", "says": "It counts to [ten].",
    "asks": "Whether it counts.", "verdict": None, "ours": "10 of 10", "ran": "10 seeds",
    "measured": "10 of 10", "seconds": 1.0, "machine": "x86_64", "rests_on": None,
}  # fmt: skip
ERRATUM = DEMONSTRATION | {
    "id": "E1", "kind": "erratum", "source": "eq. 15", "says": "The sign is +.", "ours": "+1",
    "quotes": "minus one",
}  # fmt: skip


def of_three_kinds(package):
    """Return a claim that was not seen, a demonstration and an erratum; their results are there."""
    told = [CLAIMS[0] | FOUND, DEMONSTRATION, ERRATUM]
    told[0] |= {"says": "|Δ| ≤ α*x_1 [sic]", "verdict": "not seen at this scale"}
    told[0] |= {"between": "too little data"}
    path = package / "results" / "claims.json"
    path.write_text(json.dumps({"run": "full, seed 0, cpu", "claims": told}))
    return told


def test_the_tables_of_the_readme_are_short(package):
    told = of_three_kinds(package)
    table = claims.claims_table(package, told).splitlines()
    assert table[0] == "| Claim | The paper | Ours | Verdict |"
    row = (
        r"| [C1](CLAIMS.md#c1) \|Δ\| ≤ α\*x\_1 \[sic\] | 0.1 against 0.2 nats "
        "| −0.25 ± 0.12 nats | **not seen at this scale** |"
    )
    assert table[2] == row
    assert len([line for line in table if line.startswith("|")]) == 3
    assert "`python -m lessons.dnn --full` (seed 0, cpu) in 3 seconds: x86_64." in table[-1]
    demonstrations = claims.demonstrations_table(package, told).splitlines()
    assert demonstrations[2:] == [r"| [D1](CLAIMS.md#d1) It counts to \[ten\]. | 10 of 10 |"]
    errata = claims.errata_list(package, told)
    assert errata == "- [E1](CLAIMS.md#e1) The sign is +. (eq. 15): +1."


def test_claims_md_tells_everything(package):
    told = of_three_kinds(package)
    text = claims.page(package, DNN, told, earlier=False)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# Deep neural networks: the claims",
        "## Claims", "### C1", "## Demonstrations", "### D1", "## Errata", "### E1",
    ]  # fmt: skip
    for what in (
        "**|Δ| ≤ α\\*x\\_1 \\[sic\\]**",
        "> “Our method usually reaches a lower loss than the baseline.”\n>\n> §1, Table 1",
        "- Asked: The loss after training",
        "- The rule: holds if the 95% interval of (ours − baseline) lies below 0 nats; fails if it",
        "- Run: 5 seeds",
        "- Measured: 0.1 against 0.3",
        "- The paper: 0.1 against 0.2 nats",
        "- Ours: −0.25 ± 0.12 nats (the verdict rests on −0.25, 95% interval −0.37 to −0.13, "
        "n = 5; asked is below 0)",
        "- Verdict: **not seen at this scale**",
        "- What stands between: too little data",
        "](results/C1.svg)",
        "> “minus one”\n>\n> eq. 15",
    ):
        assert what in text
    assert text.count("Verdict") == 1
    assert "earlier rules" not in text
    told[0] |= {"verdict": "undecided", "would_decide": "20 seeds"}
    told[0] |= {"measured": "0.1 against 0.3. Before:\nno [one].\nfive seeds."}
    text = claims.page(package, DNN, told, earlier=True)
    assert "- Measured: 0.1 against 0.3. Before:\n    1. no \\[one\\].\n    2. five" in text
    assert "- What would decide: 20 seeds" in text
    assert "What stands between" not in text
    assert claims.EARLIER in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.25, "−0.25"), (1234.4, "1,234"), (2.5e-5, "2.5 × 10⁻⁵"), (1e9, "1 × 10⁹")],
)
def test_numbers_have_no_program_exponents(value, text):
    assert claims.number(value) == text


def test_a_package_knows_its_verdicts_without_the_results(package):
    path = package / "src" / "lessons" / "dnn" / "claims" / "committed.json"
    assert json.loads(path.read_text()) == {"C1": {"verdict": "holds", "ours": FOUND["ours"]}}
    (package / "results" / "claims.json").unlink()
    assert claims.committed(package) is None


def test_nothing_is_told_of_what_has_not_been_measured(package, root, capsys):
    (package / "results" / "claims.json").unlink()
    text = readme.render(package / "README.md", root, "torch is missing")
    assert "Nothing has been measured yet" in text
    assert claims.results(package) is None


def awaiting(package):
    """Make the package one whose claims have yet to be judged anew."""
    project("[tool.lessons]\n", "[tool.lessons]\nrejudge = true\n")(package)
    old = [{"id": "C1", "source": "§1, Table 1", "says": "A long story.", "verdict": "holds",
            "ran": "3 seeds", "measured": "0.1 against 0.3", "seconds": 1.0, "machine": "x86_64",
            "figure": "C1.svg"}]  # fmt: skip
    content = {"run": "full, seed 0, cpu", "claims": old}
    (package / "results" / "claims.json").write_text(json.dumps(content))
    bare = dict.fromkeys(("quotes", "holds_if", "fails_if", "paper"), "")
    return [CLAIMS[0] | bare]


def test_a_package_that_awaits_judgement_shows_less_and_says_so(root, package, monkeypatch, capsys):
    words = awaiting(package)
    monkeypatch.setattr(claims, "declared", lambda root, topics: {"dnn": words})
    (root / "README.md").write_text(TABLE)
    assert command("sync", "dnn") == 0
    text = (package / "README.md").read_text()
    assert f"{claims.EARLIER} [CLAIMS.md](CLAIMS.md) tells what" in text
    assert f"| [C1](CLAIMS.md#c1) {WORDS['says']} | **holds** |" in text
    assert "| Claim | Verdict |" in text
    told = (package / "CLAIMS.md").read_text()
    assert claims.EARLIER in told
    assert "- Measured: 0.1 against 0.3" in told
    assert "- The rule" not in told
    assert "- Ours" not in told
    table = (root / "README.md").read_text()
    assert "| 1 of 1 † |" in table
    assert f"\n† {claims.EARLIER}\n" in table
    (package / "ANSWERS.md").unlink()
    found = [line for line in problems(root) if "paper.pdf: is older" not in line]
    assert found == []


def test_template_restores_copies(root, package, capsys):
    path = package / "src" / "lessons" / "dnn" / "lab" / "runner.py"
    whole = path.read_bytes()
    path.write_text("edited")
    assert command("template", "dnn") == 0
    assert path.read_bytes() == whole
    assert capsys.readouterr().out == "dnn: src/lessons/dnn/lab/runner.py\n"
    assert command("template", "dnn") == 0
    assert capsys.readouterr().out == "dnn: nothing to do\n"


def test_list_shows_what_there_is_of_each_topic(root, package, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert command("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 37
    assert "1 of 1" in lines[1]
    assert all("to come" in line for line in lines[2:])
    assert "…" not in "".join(lines), "it fits into a terminal of 80 columns"
    state = topics.state(root, DNN)
    own = (
        package / "src" / "lessons" / "dnn" / name
        for name in ("step.py", "__init__.py", "claims/__init__.py", "claims/losses.py")
    )
    text = [line for path in own for line in path.read_text().splitlines() if line.strip()]
    assert (state.holds, state.claims, state.lines) == (1, 1, len(text))


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (("check", "adamm"), "there is no topic 'adamm'; did you mean adam?"),
        (("check", "adam"), "there is no packages/adam yet"),
        (("fetch",), "say which topics, or --all"),
        (("fetch", "alchemy"), "there is no topic 'alchemy'"),
    ],
)
def test_a_wrong_command_is_told_what_is_wrong(root, capsys, args, complaint):
    assert command(*args) == 1
    assert complaint in capsys.readouterr().err


def test_outside_of_a_clone_the_command_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command("list") == 1
    assert "no papers/papers.bib" in capsys.readouterr().err


def test_a_draft_is_tested_but_need_not_be_explained_and_is_not_shown_as_finished(
    package, root, capsys
):
    path = package / "pyproject.toml"
    path.write_text(path.read_text().replace("[tool.lessons]\n", "[tool.lessons]\ndraft = true\n"))
    shutil.rmtree(package / "results")
    for name in ("README.md", "idea.svg", "tests/test_oracle.py"):
        (package / name).unlink()
    stale = contract.check(root, [DNN], RECORDS, everything=False)
    assert [line.split(":")[1].strip() for line in stale] == [
        "CLAIMS.md", "src/lessons/dnn/claims/committed.json",
    ]  # fmt: skip
    assert command("sync", "dnn") == 0  # verdicts of results that are gone go, too
    assert contract.check(root, [DNN], RECORDS, everything=False) == []
    (package / "src" / "lessons" / "dnn" / "lab" / "runner.py").write_text("")
    (found,) = contract.check(root, [DNN], RECORDS, everything=False)
    assert "differs from the template" in found
