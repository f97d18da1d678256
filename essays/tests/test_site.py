"""A site of tiny sources: what becomes of them, and what stops the build."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from lessons.essays import package, site, source
from lessons.papers import claims

FILES = {
    "LICENSE": "MIT\n",
    "README.md": """# tiny

What this is, with [Notes](packages/notes/README.md).

## Commands

Run it.

## The topics

| a table | that the timeline replaces |
|---|---|
| x | y |

## Reading

[A file](essays/data/facts.csv).
""",
    "papers/papers.bib": """@article{ada1843notes,
  author = {Ada Lovelace}, title = {Notes}, journal = {Memoirs}, year = {1843},
  url = {https://example.org/notes},
}
@article{boole1854laws,
  author = {George Boole}, title = {Laws}, journal = {Memoirs}, year = {1854},
  url = {https://example.org/laws},
}
""",
    "papers/topics.toml": """[notes]
title = "Notes on the engine"
category = "Engines"
year = 1986
constraint = "compute"
papers = ["ada1843notes"]
[laws]
title = "Laws"
category = "Engines"
year = 2012
constraint = "data"
papers = ["boole1854laws"]
""",
    "essays/README.md": """# The essays

1. [First](first.md)
2. [Second](second.md), *to come*

[Data](data/facts.csv)
""",
    "essays/first.md": """# First

## Part

Of [Boole, 1854](https://example.org/laws) and [Notes](../packages/notes/README.md#the-idea).
""",
    "essays/second.md": "# Second\n\n*To come.* Soon.\n",
    "essays/notation.md": "# Notation\n\nNone.\n",
    "essays/data/facts.csv": "a,b\n",
    "packages/notes/README.md": """# Notes

They begin ([Lovelace, 1843](https://example.org/notes)).

## The idea

The engine weaves (§2, eq. 7), unlike [Boole, 1854](https://example.org/laws), §9. See `weave`.

![Two threads, crossed](one.svg)

![Two threads, side by side](two.svg)

$$ w = \\frac{a}{b} $$

It is in [`engine.py`](src/lessons/notes/engine.py), measured in [a file](results/claims.json).

## What we measured

| Claim | The paper | Ours | Verdict |
|---|---|---|---|
| [C1](CLAIMS.md#c1) It weaves. | | 0 ± 0 | **undecided** |

The loom (C1) is no layer C1, nor (C3), see ([file](one.svg), C1).

## Exercises

1. Weave.

## Read on

- More.
""",
    "packages/notes/CLAIMS.md": """# Notes: the claims

All of [README.md](README.md).

## Claims

### C1

- Verdict: **undecided**, by [loom.py](src/lessons/notes/claims/loom.py)

![C1: It weaves](results/C1.svg)

## Errata

### E1

See [C1](#c1).
""",
    "packages/notes/ANSWERS.md": "# Answers\n\n1. $w$, as [C1](CLAIMS.md#c1) says.\n",
    "packages/notes/src/lessons/notes/claims/__init__.py": """\"\"\"The claims.\"\"\"

from .loom import looms

CLAIMS = [looms]
""",
    "packages/notes/src/lessons/notes/claims/loom.py": """\"\"\"The loom, measured.\"\"\"


def looms(run):
    \"\"\"Count looms.\"\"\"
    return run
""",
    "packages/notes/src/lessons/notes/lab/run.py": "class Run:\n    pass\n",
    "packages/notes/src/lessons/notes/__main__.py": "print('main')\n",
    "packages/notes/src/lessons/notes/abacus.py": '"""An abacus, first by name only."""\n',
    "packages/notes/src/lessons/notes/__init__.py": """\"\"\"Notes.\"\"\"

from .engine import LOOMS, weave

__all__ = ["LOOMS", "weave"]
""",
    "packages/notes/src/lessons/notes/engine.py": '''
r"""Weaving (Lovelace 1843, §2; not Boole 1854, §2)."""

LOOMS = {"jacquard": 1}


def weave(thread, width=2):  # fmt: skip
    r"""Weave a <thread>: $w = a$.

    Args:
        thread: of silk,
            or of cotton.
        width: in inches.

    Returns:
        Cloth: as wide as it is.

    Raises:
        ValueError: no thread.
    """
    text = """
    # no comment
    """
    # Silk tears (eq. 7),
    # so it goes first.
    return thread * width  # in order
''',
}
SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" role="img"><title>Hidden</title>
<style>.a{fill:red} @media (prefers-color-scheme:dark){.a{fill:blue}}</style>
<path id="k" class="a" d="M0 0"/><use href="#k"/><path clip-path="url(#k)" d="M1 1"/></svg>"""
CLAIM = {
    "id": "C1", "kind": "claim", "source": "§2", "says": "It <weaves>.", "verdict": "undecided",
    "paper": "7 yards", "ours": "6 ± 2 yards", "measured": "0 ± 0", "ran": "once",
    "seconds": 1.0, "machine": "a loom",
}  # fmt: skip
# As records were before: no kind, no number of the paper's, nothing short.
OLD = {
    "id": "C2", "source": "§3", "says": "It hums.", "verdict": "not seen at this scale",
    "measured": "No hum.", "ran": "Twice.", "between": "An engine.", "seconds": 1.0,
    "machine": "a loom",
}  # fmt: skip
ERRATUM = CLAIM | {"id": "E1", "kind": "erratum", "says": "Eq. 7 lacks a half.", "verdict": None}
SHOWN = CLAIM | {"id": "D1", "kind": "demonstration", "says": "It sings.", "verdict": None}


def lay(root):
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    notes = root / "packages" / "notes"
    (notes / "one.svg").write_text(SVG)
    (notes / "two.svg").write_text(SVG)
    (notes / "results").mkdir()
    (notes / "results" / "C1.svg").write_text(SVG)
    (notes / "src" / "lessons" / "notes" / "lab" / "__init__.py").touch()
    results = {"run": "full, cpu", "claims": [CLAIM, OLD, SHOWN, ERRATUM]}
    (notes / "results" / "claims.json").write_text(json.dumps(results))
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    site.build(lay(folder / "root"), folder / "site")
    return {
        path.relative_to(folder / "site").as_posix(): path.read_text()
        for path in (folder / "site").rglob("*.html")
    } | {"": folder / "site"}


@pytest.fixture
def root(tmp_path):
    return lay(tmp_path)


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>|<[^>]*>", "", page, flags=re.S))


def test_there_is_a_page_of_each_kind(built):
    assert set(built) - {""} == {
        "index.html", "essays/index.html", "essays/first.html", "notes/index.html",
        "notes/claims.html", "notes/answers.html", "notes/source.html", "notes/experiments.html",
        "claims.html", "notation.html", "bibliography.html",
    }  # fmt: skip


def test_the_press_needs_neither_torch_nor_matplotlib():
    code = "import sys; sys.modules |= {'torch': None, 'matplotlib': None, 'numpy': None}\n"
    code += "import lessons.essays.site, lessons.essays.typeset"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_says_what_it_is_about_and_its_licence(built):
    page = built["notes/index.html"]
    assert '<meta name="description" content="They begin (Lovelace, 1843).">' in page
    assert "description" not in built["claims.html"]
    assert '<a href="../LICENSE">MIT licence</a>' in page
    assert (built[""] / "LICENSE").is_file()


def test_home_has_a_timeline_for_its_table(built):
    home = built["index.html"]
    assert "that the timeline replaces" not in home
    assert "Run it." in home
    assert (
        home.count('href="notes/index.html" aria-label="Notes on the engine, 1986: compute"') == 2
    )
    assert home.count('<text class="later" x="14" y="5">Laws</text>') == 2  # wide and tall
    assert home.count("1986</text>") == 2


def test_explanation_has_formulas_citations_and_links(built):
    page = built["notes/index.html"]
    assert re.search(
        r'id="eq-1" class="equation" data-number="1"><svg class="maths" role="img"', page
    )
    assert r'aria-label="w = \frac{a}{b}"' in page
    assert 'href="#ref-ada1843notes"' in page
    assert 'id="ref-ada1843notes"' in page
    assert 'href="https://example.org/notes"' in page
    assert 'href="source.html#engine"><code>engine.py</code>' in page
    assert 'href="source.html#engine.weave"><code>weave</code>' in page
    assert 'href="claims.html">a file<' in page
    assert "(§2, eq. 7)" in words(page)


def test_figures_follow_the_theme_and_keep_their_ids_apart(built):
    page = built["notes/index.html"]
    assert "prefers-color-scheme:dark" not in page
    assert "#packages-notes-one{.a{fill:red} [data-theme=dark] &{.a{fill:blue}}}" in page
    for name in ("packages-notes-one", "packages-notes-two"):
        assert page.count(f'id="{name}-k"') == page.count(f'href="#{name}-k"') == 1
        assert f"url(#{name}-k)" in page
    assert page.count('role="img" aria-label="Two threads') == 2
    assert "Hidden" not in page
    assert "data-tip" not in page


def test_source_stands_beside_its_notes(built):
    page = built["notes/source.html"]
    text = words(page)
    assert "LOOMS A constant." in text
    assert "weave Weave a &lt;thread&gt;" in text
    for term, meaning in {"thread": "of silk, or of cotton.", "width": "in inches."}.items():
        assert f"{term} {meaning}" in text
    assert "returns Cloth: as wide as it is." in text
    assert "raises ValueError no thread." in text
    assert "Silk tears (eq. 7), so it goes first." in text
    code = "".join(re.findall(r"<pre.*?</pre>", page, re.S))
    assert "# no comment" in words(code)  # it is in a string
    assert "# in order" in words(code)
    for gone in ("Silk tears", "of silk", "fmt: skip", "Weaving"):
        assert gone not in words(code)
    for place in ("engine", "engine.weave", "engine.LOOMS"):
        assert page.count(f'id="{place}"') == 1
        assert f'href="#{place}"' in page


def test_source_leads_to_where_the_explanation_names_the_place(built):
    page, explanation = built["notes/source.html"], built["notes/index.html"]
    (place,) = set(re.findall(r'href="index.html#(at-\d+)">(?:§2|eq. 7)<', page))
    assert f'<div id="{place}">' in explanation
    assert page.count(f'href="index.html#{place}">§2<') == 1  # the paper's, not Boole's
    assert "§9" not in "".join(re.findall(r"<a [^>]*>[^<]*</a>", page))


def test_a_claim_leads_to_all_that_is_known_of_it(built):
    page, claims = built["notes/index.html"], built["notes/claims.html"]
    leading = 'href="claims.html#C1">C1</a>'
    assert page.count(leading) == 3
    assert f"<td><a {leading} It weaves.</td>" in page
    assert f"The loom (<a {leading}) is no layer C1, nor (C3), see (" in page
    assert '<span class="verdict undecided">undecided</span>' in page
    assert '<h3 id="C1">C1</h3>' in claims
    assert 'href="#C1">C1</a>' in claims
    assert 'aria-label="C1: It weaves"' in claims
    assert 'href="experiments.html#loom">loom.py</a>' in claims
    assert 'href="index.html">README.md</a>' in claims


def test_exercises_lead_to_their_answers(built):
    exercises = built["notes/index.html"].partition('id="exercises"')[2].partition("<h2")[0]
    assert '<a href="answers.html">Worked answers</a>' in exercises
    assert 'aria-label="w"' in built["notes/answers.html"]
    assert 'href="claims.html#C1">C1</a>' in built["notes/answers.html"]


def test_answers_that_the_exercises_name_are_not_named_twice(root):
    readme = root / "packages" / "notes" / "README.md"
    readme.write_text(readme.read_text().replace("1. Weave.", "[Answers](ANSWERS.md)"))
    prose = package.prose(readme.parent)["README.md"]
    assert "Worked answers" not in str(prose.blocks)


def test_source_is_the_paper_in_the_explanations_order_then_the_experiments(built):
    paper, experiments = built["notes/source.html"], built["notes/experiments.html"]
    assert paper.index('href="#engine"') < paper.index('href="#abacus"')
    assert 'href="#loom"' in experiments
    assert "Count looms." in words(experiments)
    for other in ("loom", "run", "lab", "claims", "__main__"):
        assert f'id="{other}"' not in paper
    assert "data-pagefind-body" in paper
    assert "data-pagefind-body" not in experiments


def test_ledger(built):
    page = built["claims.html"]
    text = words(page)
    assert '<tr id="notes-C1">' in page
    assert '<td><a href="notes/claims.html#C1">C1</a></td>' in page
    assert "It &lt;weaves&gt;. (§2) 7 yards 6 ± 2 yards undecided" in text
    assert "No hum. Twice. What stands between: An engine. not seen at this scale" in text
    assert "2 claims" in text
    assert "Holds: 0. Refuted: 0. Not seen at this scale: 1. Undecided: 1." in text
    assert "earlier rules" not in text
    assert "Eq. 7 lacks a half." in text.partition("Errata")[2]
    assert "It sings." not in text


def test_ledger_says_which_verdicts_are_of_earlier_rules(root, tmp_path):
    table = "[tool.lessons]\nrejudge = true\n"
    (root / "packages" / "notes" / "pyproject.toml").write_text(table)
    press = site.Press(root, tmp_path / "out", site.collect(root))
    (page,) = [page for page in press.pages if page.kind == "claims"]
    assert f"Of Notes on the engine: {claims.EARLIER}" in words(press.print(page))


def test_bibliography(built):
    entries = built["bibliography.html"]
    assert re.search(
        r'ref-boole1854laws.*cited in <a href="essays/first.html">First', entries, re.S
    )
    assert 'href="https://example.org/laws"' in entries
    assert entries.count("cited in") == 2


def test_an_essay_that_is_to_come_is_named_but_leads_nowhere(built):
    for url in ("index.html", "essays/index.html"):
        assert "Second, to come" in words(built[url])
        assert "second" not in built[url]


def test_files_that_are_no_pages_are_copied(built):
    assert (built[""] / "essays" / "data" / "facts.csv").read_text() == "a,b\n"
    assert 'href="essays/data/facts.csv"' in built["index.html"]


def test_fonts_have_the_glyphs_in_use(built):
    from fontTools.ttLib import TTFont

    font = TTFont(built[""] / "static" / "STIXTwoText_400Regular.woff2")
    assert {ord("§"), ord("a"), ord("Z")} <= font.getBestCmap().keys()
    assert ord("ж") not in font.getBestCmap()
    for path in (built[""] / "static").glob("*.woff2"):
        assert "SIL OPEN FONT LICENSE" in path.with_suffix(".txt").read_text()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("essays/first.md", "#the-idea", "x", r"first\.md: a link leads to no file: .*README\.mdx"),
        ("essays/first.md", "README.md#the-idea", "src", r"first\.md: a link leads to no file"),
        ("packages/notes/README.md", r"\frac{a}", r"\frac{a", r"notes/README\.md: .*\\frac\{a"),
        (
            "packages/notes/src/lessons/notes/engine.py", "$w = a$", r"$\wrong$",
            r"notes/engine\.py: .*\\wrong",
        ),
        ("packages/notes/README.md", "They", "<b>They</b>", r"notes/README\.md: HTML"),
        (
            "packages/notes/two.svg", 'd="M0 0"/>', 'd="M0 0"/text>',
            r"notes/two\.svg, line 4: a drawing is broken: not well-formed",
        ),
    ],
)  # fmt: skip
def test_a_mistake_stops_the_build_and_is_named(root, name, old, new, message):
    path = root / name
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        site.build(root, root / "site")


def test_a_package_without_results_or_text_is_no_mistake(root):
    shutil.rmtree(root / "packages" / "notes" / "results")
    readme = root / "packages" / "notes" / "README.md"
    readme.write_text(readme.read_text().replace("(results/claims.json)", "(one.svg)"))
    (root / "packages" / "notes" / "CLAIMS.md").write_text("# Notes: the claims\n")
    (root / "packages" / "laws").mkdir()
    (root / "packages" / "laws" / "README.md").write_text("# Laws\n")
    pages = {page.url for page in site.collect(root)}
    assert "notes/index.html" in pages
    assert "laws/index.html" not in pages


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("It is in §3.1 and Algorithm 2.", ["§3.1", "Algorithm 2"]),
        ("(Lovelace 1843, §2, eq. 7; Boole 1854, §4)", ["§2", "eq. 7"]),
        ("As Boole, 1854, §4 says. But §5", ["§5"]),
        ("Fig. 1 left, App. B, Table 3", ["Fig. 1", "App. B", "Table 3"]),
    ],
)
def test_places_are_those_of_the_paper(text, places):
    found = [m[0] for m in source.PLACE.finditer(text) if source.ours(m, {"Lovelace"})]
    assert found == places
