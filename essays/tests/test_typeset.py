"""A package and an essay made up for the purpose, as PDFs: what is in them, and what is not."""

import io
import json
import re
import shutil

import pytest
from pypdf import PdfReader

from lessons.essays import typeset
from lessons.papers import bibliography, pdf, topics

BIB = """@article{ada1843notes,
  author = {Ada Lovelace}, title = {Notes}, journal = {Memoirs}, year = {1843},
  url = {https://example.org/notes}, package = {notes},
}
@article{boole1854laws,
  author = {George Boole}, title = {Laws}, journal = {Memoirs}, year = {1854},
  url = {https://example.org/laws},
}
@article{babbage1826engines,
  author = {Charles Babbage}, title = {Engines}, journal = {Transactions}, year = {1826},
  url = {https://example.org/engines},
}
"""
TOPICS = """[notes]
title = "Notes"
category = "Engines"
year = 1843
constraint = "compute"
papers = ["ada1843notes"]
"""
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460 200"><title>A line</title>
<style>@media (prefers-color-scheme:dark){[style*="#123456"]{fill:#fedcba!important}} b{}</style>
<text x="9" y="99" style="font-size: 9px; font-family: Helvetica, Arial; fill: #123456">loss</text>
<text x="99" y="99" font-family="Helvetica">α ± 1</text></svg>"""
WIDE = " + ".join(rf"\frac{{a_{{{i}}}}}{{b_{{{i}}}}}" for i in range(40))
LONGEST = "    " + "x = 1" + "  # " + "c" * 87  # 100 columns
README = rf"""# Notes

The engine weaves patterns, see [Lovelace, 1843](https://example.org/notes), with $\beta_1 = 0.9$.

## The mathematics

Characters: ± × 10⁻¹² α √ → ≤ “quoted”. As in [Boole, 1854](https://example.org/laws).

$$ x_t = \frac{{a}}{{b}} $$

Then [`file.py`](file.py), [a site](https://example.com/a), and

$$
{WIDE}
$$

![A line that falls](idea.svg)

```python
def step(x):
{LONGEST}
{LONGEST} more
pip install notes                    # aligned
    return x - β₁ᵗ
```

## What we measured

| Claim | The paper | Ours | Verdict |
| --- | --- | --- | --- |
| [C1](CLAIMS.md#c1) The loops repeat. | 7 yards | 6 ± 2 | **holds** |

Most of it (C2).

![The first claim, drawn](results/C1.svg)

## Exercises

1. Weave.

## Read on

- More.
"""
CLAIMS = """# Notes: the claims

What each says ([README](README.md)).

## Claims

### C1

- Measured: 0.1 ± 0.2, as [Boole, 1854](https://example.org/laws) expects

![C1](results/C1.svg)

### C2

- What stands between: A larger engine, $e$.

![C2](results/C2.svg)

## Errata

### E1

Not [C1](#c1).
"""
ANSWERS = """# Answers

1. By [a theorem](https://example.org/engines), $$ e = 1 $$
"""
CLAIM = {
    "id": "C1", "kind": "claim", "verdict": "holds", "seconds": 1.0, "machine": "an engine",
    "measured_at": "2026-11-25T07:49:58Z",
}  # fmt: skip
RESULTS = json.dumps({"run": "full, cpu", "claims": [CLAIM, CLAIM | {"id": "C2"}]})


def make(root):
    package = root / "packages" / "notes"
    for folder in (root / "papers", root / "essays", package / "results"):
        folder.mkdir(parents=True)
    (root / "papers" / "papers.bib").write_text(BIB)
    (root / "papers" / "topics.toml").write_text(TOPICS)
    (package / "pyproject.toml").write_text('[project]\nversion = "0.3.1"\n')
    (package / "README.md").write_text(README)
    (package / "file.py").touch()
    (package / "idea.svg").write_text(DRAWING)
    (package / "results" / "claims.json").write_text(RESULTS)
    for name in ("C1", "C2"):
        (package / "results" / f"{name}.svg").write_text(DRAWING.replace("A line", name))
    (package / "CLAIMS.md").write_text(CLAIMS)
    (package / "ANSWERS.md").write_text(ANSWERS)
    index = "1. [One](one.md)\n2. [Two](two.md)\n"
    (root / "essays" / "README.md").write_text(index)
    essay = (
        "By [the notes](https://example.org/notes), [Notes](../packages/notes/README.md#exercises)."
    )
    (root / "essays" / "one.md").write_text(
        f"# One\n\nOpening.\n\n## Part\n\n{essay} [Two](two.md).\n"
    )
    (root / "essays" / "two.md").write_text("# Two\n\n*To come.* Soon.\n")
    return root


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = make(tmp_path_factory.mktemp("made"))
    return root, typeset.paper(root, topics.load(root)["notes"])


@pytest.fixture(scope="module")
def paper(made):
    return PdfReader(io.BytesIO(made[1]))


@pytest.fixture(scope="module")
def words(paper):
    return "\n".join(page.extract_text() for page in paper.pages)


def dictionaries(reader):
    for number in range(1, reader.trailer["/Size"]):
        found = reader.get_object(number)
        if hasattr(found, "get"):
            yield found


def test_the_same_sources_give_the_same_bytes_in_any_folder_at_any_time(made, tmp_path):
    root, first = made
    topic = topics.load(root)["notes"]
    assert typeset.paper(root, topic) == first
    shutil.copytree(root, tmp_path / "else where")  # with other times
    assert typeset.paper(tmp_path / "else where", topic) == first


def test_a_paper_knows_its_sources(made):
    root, content = made
    package, topic, records = (
        root / "packages/notes",
        topics.load(root)["notes"],
        bibliography.load(root),
    )
    (package / "paper.pdf").write_bytes(content)
    assert list(pdf.problems(package, root, topic, records)) == []
    for name, text in {"README.md": README, "CLAIMS.md": CLAIMS, "ANSWERS.md": ANSWERS}.items():
        (package / name).write_text(text + "\nMore.\n")
        ((_, what),) = pdf.problems(package, root, topic, records)
        assert "older than its sources" in what
        (package / name).write_text(text)


def test_metadata_for_catalogues_and_screen_readers(paper):
    about = paper.metadata
    assert (about.title, about.author) == ("Notes", typeset.AUTHOR)
    assert about["/Keywords"].startswith("notes, Engines, compute, sources ")
    assert about.creation_date.date().isoformat() == "2026-11-25", "of the measurements"
    catalogue = paper.trailer["/Root"]
    assert str(catalogue["/Lang"]).startswith("en")
    assert catalogue["/MarkInfo"]["/Marked"]
    assert [entry.title for entry in paper.outline[1] if not isinstance(entry, list)] == [
        "The mathematics", "What we measured", "Exercises", "Read on", "References",
        "Appendix A. The claims in full", "Appendix B. Answers to the exercises",
    ]  # fmt: skip


def test_the_first_page_says_of_what_it_is(paper):
    first = paper.pages[0].extract_text()
    for said in ("Notes", "Lovelace, Ada. 1843.", "Version 0.3.1", "25 November 2026", "weaves"):
        assert said in first
    assert first.index("1843") < first.index("weaves") < first.index("The mathematics")


def test_text_can_be_searched_and_no_character_is_lost(words):
    for said in ("± × 10⁻¹² α √ → ≤ “quoted”", "β₁ᵗ", "loss", "α ± 1", "Figure 1", "file.py"):
        assert said in words
    assert "\ufffd" not in words
    assert "\0" not in words


def test_claims_are_short_in_the_text_and_in_full_after_it(words):
    flat = re.sub(r"\s+", " ", words)
    text, appendix = flat.split("Appendix A. The claims in full")
    appendix, answers = appendix.split("Appendix B. Answers to the exercises")
    assert "C1 The loops repeat. 7 yards 6 ± 2 holds" in text
    assert "0.1 ± 0.2" not in text
    assert "– Measured: 0.1 ± 0.2, as Boole, 1854 expects" in appendix
    assert "What stands between: A larger engine" in appendix
    assert "E1 Not C1." in appendix
    assert "By a theorem" in answers
    references = text.split("References")[1]
    assert "Babbage, Charles. 1826." in references, "what only an answer cites is there, too"


def test_a_figure_is_shown_once_and_referred_to(paper, words):
    alternatives = [found["/Alt"] for found in dictionaries(paper) if "/Alt" in found]
    assert alternatives.count("The first claim, drawn") == 1
    assert "C1" not in alternatives
    assert "Figure 2 shows it." in re.sub(r"\s+", " ", words)
    assert "C2" in alternatives


def test_claims_and_answers_can_be_led_to(paper):
    names = {"notes-claims", "notes-claims-C1", "notes-claims-C2", "notes-answers"}
    assert names <= set(paper.named_destinations)


def test_equations_are_numbered_and_have_their_tex_as_alternative_text(paper, words):
    assert re.findall(r"^\((\d)\)$", words, flags=re.M) == ["1", "2", "1"]
    alternatives = {found["/Alt"] for found in dictionaries(paper) if "/Alt" in found}
    assert {r"\beta_1 = 0.9", r"x_t = \frac{a}{b}", "A line that falls"} <= alternatives


def test_all_fonts_are_embedded_and_ours(paper):
    descriptors = [
        found for found in dictionaries(paper) if found.get("/Type") == "/FontDescriptor"
    ]
    assert all("/FontFile2" in found or "/FontFile3" in found for found in descriptors)
    names = {re.split(r"[+-]", found["/FontName"])[1] for found in descriptors}
    assert {"STIXTwoText", "IosevkaCharonMono", "SourceSans3"} <= names
    assert names <= {"STIXTwoText", "IosevkaCharonMono", "SourceSans3", "LibertinusSerif"}


def test_code_of_100_columns_stands_on_one_line_and_longer_code_goes_on_below(words):
    lines = [line.strip() for line in words.splitlines()]
    assert lines.count(LONGEST.strip()) == 2
    assert "more" in lines
    assert "pip install notes  # aligned" in lines


def test_links_lead_somewhere(paper):
    annotations = [
        found["/A"]
        for found in dictionaries(paper)
        if found.get("/Subtype") == "/Link" and "/A" in found
    ]
    uris = {action["/URI"] for action in annotations if "/URI" in action}
    assert uris == {
        "https://example.com/a",
        "https://example.org/notes",
        "https://example.org/laws",
        "https://example.org/engines",
    }


def test_a_drawing_has_the_pages_letters_and_its_light_colours(tmp_path):
    path = tmp_path / "drawing.svg"
    path.write_text(DRAWING)
    svg = typeset.drawing(path)["svg"]
    assert "Helvetica" not in svg
    assert svg.count("Source Sans 3") == 2
    assert "fedcba" not in svg
    assert "fill: #123456" in svg
    path.write_text("<svg/>")
    with pytest.raises(ValueError, match=r"drawing\.svg: a drawing without a viewBox"):
        typeset.drawing(path)


def test_the_book_has_essays_then_packages_and_says_what_is_to_come(root):
    book = PdfReader(io.BytesIO(typeset.book(root)))
    assert [entry.title for entry in book.outline if not isinstance(entry, list)] == [
        "One",
        "Notes",
    ]
    contents = book.pages[1].extract_text()
    assert re.search(r"One\s+Essay\s+3\nTwo\s+to come\nNotes\s+Engines · 1843\s+4", contents)
    essay = book.pages[2].extract_text()
    assert re.search(r"the notes\s\[1\], Notes\. Two\.", essay)
    assert "[1] Lovelace" in essay


@pytest.mark.parametrize(
    ("change", "args", "complaint"),
    [
        (lambda p: (p / "README.md").unlink(), ["notes"], "packages/notes/README.md"),
        (lambda p: (p / "idea.svg").unlink(), ["notes"], "idea.svg"),
        (
            lambda p: (p / "results" / "claims.json").unlink(),
            ["notes"],
            "packages/notes/results/claims.json",
        ),
        (
            lambda p: (p / "README.md").write_text("# T\n\n$\\frac{$\n\n## S\n"),
            ["--all"],
            "\\frac{",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_nothing_is_written(
    root, capsys, change, args, complaint
):
    change(root / "packages" / "notes")
    assert typeset.main(args) == 1
    assert complaint in capsys.readouterr().err
    assert not (root / "packages" / "notes" / "paper.pdf").exists()


def test_the_command_writes_papers_and_the_book(root, capsys):
    assert typeset.main(["--all"]) == typeset.main(["--book"]) == 0
    assert (root / "packages" / "notes" / "paper.pdf").stat().st_size < pdf.LARGEST
    assert (root / "dist" / "book.pdf").read_bytes().startswith(b"%PDF")
    (root / "dist" / "book.pdf").unlink()
    assert typeset.main(["note", "--book"]) == 1
    assert (root / "dist" / "book.pdf").exists(), "one that fails does not stop the others"
    assert "'note' is no topic" in capsys.readouterr().err
