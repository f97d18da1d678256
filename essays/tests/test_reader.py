"""Sources made up for the purpose: what the reader makes of them, and what it refuses."""

import pytest

from lessons.essays import maths, reader

BIB = """@article{ada1843notes,
  author = {Ada Lovelace}, title = {Notes}, journal = {Memoirs}, year = {1843},
  url = {https://example.org/notes}, package = {notes},
}
@article{boole1854laws,
  author = {George Boole}, title = {Laws}, journal = {Memoirs}, year = {1854},
  url = {https://example.org/laws},
}
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "papers.bib").write_text(BIB)
    return tmp_path


def read(root, text, name="README.md"):
    (root / name).write_text(text)
    return reader.read(root / name)


def links(blocks):
    found = []
    reader.walk(blocks, lambda e: found.append(e["c"][2][0]) if e["t"] in {"Link", "Image"} else 0)
    return found


def test_title_opening_headings_and_formulas(root):
    document = read(
        root, "# A *title* of $x$\n\nOpening.\n\n## One `f`\n\n$$ y $$\n\n### Two\n\n$z$"
    )
    assert document.title == "A title of x"
    assert reader.plain(document.opening) == "Opening."
    assert document.headings == [(2, "one-f", "One f"), (3, "two", "Two")]
    assert document.formulas == [(True, "y"), (False, "z")]


def test_displayed_formulas_are_numbered(root):
    html = reader.write(read(root, "# T\n\n$$a$$\n\n$b$\n\n$$c$$").opening, "html5", "--mathml")
    assert html.index('id="eq-1"') < html.index('id="eq-2"')
    assert "eq-3" not in html


def test_link_to_a_paper_keeps_its_words_and_leads_to_the_reference(root):
    document = read(root, "# T\n\n([Lovelace, 1843](https://example.org/notes), note G)")
    assert document.citations == ["ada1843notes"]
    assert reader.plain(document.opening) == "(Lovelace, 1843, note G)"
    assert links(document.opening) == ["#ref-ada1843notes"]
    (entries,) = reader.bibliography_of(document.citations, root)
    assert [entry["c"][0][0] for entry in entries["c"][1]] == ["ref-ada1843notes"]
    assert links(entries) == ["https://example.org/notes"]
    assert reader.bibliography_of([], root) == []


def test_relative_links_become_absolute_and_others_stay(root):
    (root / "other.md").write_text("# O")
    text = "# T\n\n[a](other.md#part) [b](#here) [c](https://example.net/) ![d](papers/papers.bib)"
    assert links(read(root, text).opening) == [
        f"{root}/other.md#part", "#here", "https://example.net/", f"{root}/papers/papers.bib",
    ]  # fmt: skip


def test_a_claims_table_is_marked(root):
    row = "# T\n\n| | Says | {} |\n|-|-|-|\n| C1 | $x$ | **holds** |\n"
    assert 'class="claims"' in reader.write(read(root, row.format("Verdict")).opening, "html5")
    assert "claims" not in reader.write(read(root, row.format("Other")).opening, "html5")


def test_claims_have_the_anchors_that_tables_lead_to(root):
    document = read(root, "# T\n\n## Claims\n\n### C2a\n\n[a](#c1) [b](#claims)", "CLAIMS.md")
    assert [name for _, name, _ in document.headings] == ["claims", "C2a"]
    assert links(document.blocks) == ["#C1", "#claims"]
    assert links(read(root, "# T\n\n[C2a](CLAIMS.md#c2a)").opening) == [f"{root}/CLAIMS.md#C2a"]


def test_tables_of_claims_have_columns_as_wide_as_what_they_say(root):
    rows = "# T\n\n| Claim | The paper | Ours | Verdict |\n|-|-|-|-|\n| C1 | 2 | 3 | **holds** |\n"
    (div,) = read(root, rows).opening
    widths = [column["c"] for _, column in div["c"][1][0]["c"][2]]
    assert sum(widths) == pytest.approx(1)
    assert widths[0] > max(widths[1:])


def test_a_drawing_that_is_not_well_formed_is_refused_with_file_and_line(root):
    (root / "a.svg").write_text("<svg>\n<text/text>\n</svg>")
    with pytest.raises(ValueError, match=r"a\.svg, line 2: a drawing is broken"):
        reader.drawing(root / "a.svg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# T\n\n[a](nowhere.md)", r"README\.md: a link leads to no file: nowhere\.md"),
        ("# T\n\n![a](lost.svg)", r"README\.md: a link leads to no file: lost\.svg"),
        ("No title.", r"README\.md: it has to begin with its title"),
        ("## Second\n", r"README\.md: it has to begin with its title"),
        ("# T\n\na <b>b</b>", r"README\.md: HTML, which only a browser would show: <b>"),
    ],
)
def test_errors_name_the_file_and_what_is_wrong(root, text, message):
    with pytest.raises(ValueError, match=message):
        read(root, text)


def test_comments_are_left_out(root):
    document = read(
        root, "# T\n\n<!-- [[[cog f() ]]] -->\n\nText <!-- c -->.\n\n<!-- [[[end]]] -->"
    )
    assert reader.write(document.opening, "plain").strip() == "Text ."


def test_walk_splices_lists_and_goes_inside_first():
    tree = [{"t": "Para", "c": [{"t": "Str", "c": "a"}, {"t": "Space"}]}]
    double = reader.walk(tree, lambda e: [e, e] if e["t"] == "Str" else None)
    assert reader.plain(double) == "aa "


def test_a_formula_is_measured_in_em_from_its_baseline(tmp_path):
    drawn = maths.draw({(False, "x"): tmp_path, (False, "x_{y_z}"): tmp_path})
    plain, low = drawn[False, "x"], drawn[False, "x_{y_z}"]
    assert 0.4 < plain.w < 0.7
    assert plain.h < low.h < 1
    assert -0.01 < plain.depth < 0.02 < low.depth  # x stands on the line, an index hangs below it


@pytest.mark.parametrize("tex", [r"\frc{a}{b}", r"\left( x", r"x \tag{1}"])
def test_a_bad_formula_is_an_error_with_file_and_formula(tmp_path, tex):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        maths.draw({(True, tex): tmp_path / "README.md"})
    assert "README.md" in str(error.value)
    assert tex in str(error.value)


def test_a_figure_has_the_caption_below_it_and_else_its_alternative_text(root):
    (root / "f.svg").touch()
    text = "![alt](f.svg)\n\n*Said of $x$.*\n\n![alone](f.svg)\n\n*An* aside."
    document = read(root, f"# T\n\n{text}")
    first, second, aside = document.opening
    assert [reader.plain(figure["c"][1]) for figure in (first, second)] == ["Said of x.", "alone"]
    assert reader.plain(first["c"][2]) == "alt"
    assert reader.plain(aside) == "An aside."
