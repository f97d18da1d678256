"""The bibliography is complete, and the topics agree with it."""

from pathlib import Path

import pytest

from lessons.papers import bibliography, topics

ROOT = Path(__file__).parents[2]
HISTORY = """
dnn cnn alex-net u-net
weight-decay relu residuals dropout batch-norm layer-norm gelu adam
rnn lstm learning-to-forget word2vec encoder-decoder seq2seq attention mixture-of-experts
transformer bert roberta t5 gpt-2 gpt-3 lora instruct-gpt vision-transformer moe-transformer
gan vae diffusion stable-diffusion clip dall-e
"""
RECORD = """
@article{hinton1986learning,
  author = {Geoffrey E. Hinton},
  title = {Learning {D}istributed Representations of Concepts},
  journal = {Proceedings},
  pages = {1--12},
  year = {1986},
  url = {https://example.org/families},
  package = {dnn},
}
"""
TOPIC = """
[dnn]
title = "Deep neural networks"
category = "Deep Neural Networks"
year = 1986
constraint = "architecture"
papers = ["hinton1986learning"]
"""


@pytest.fixture
def problems(tmp_path):
    """Return a function from the texts of papers.bib and topics.toml to what is wrong in them."""

    def problems(bib, toml=TOPIC):
        (tmp_path / "papers").mkdir(exist_ok=True)
        (tmp_path / "papers" / "papers.bib").write_text(bib, encoding="utf-8")
        (tmp_path / "papers" / "topics.toml").write_text(toml, encoding="utf-8")
        return bibliography.problems(bibliography.load(tmp_path), topics.load(tmp_path))

    return problems


def test_the_bibliography_has_nothing_wrong():
    assert bibliography.problems(bibliography.load(ROOT), topics.load(ROOT)) == []


def test_the_topics_are_the_36_in_the_order_of_the_history():
    history = topics.load(ROOT)
    assert list(history) == HISTORY.split()
    assert [topic.order for topic in history.values()] == list(range(1, 37))
    assert history["adam"].order == 12
    sizes = {}
    for topic in history.values():
        sizes[topic.category] = sizes.get(topic.category, 0) + 1
    assert list(sizes.values()) == [4, 8, 8, 10, 6], "the categories are not mixed"


def test_every_paper_that_is_taught_can_be_fetched_from_its_publisher_or_has_no_free_copy():
    records = bibliography.load(ROOT)
    taught = [records[key] for topic in topics.load(ROOT).values() for key in topic.papers]
    assert [record.key for record in taught if not record.pdf] == ["williams1989learning"]
    # arXiv replaces versions; where we know how many pages to expect, we know which version.
    unpinned = [
        record.key
        for record in taught
        if record.pages and "arxiv.org" in record.pdf and "v" not in record.pdf.rpartition("/")[2]
    ]
    assert unpinned == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("  title = {Learning {D}istributed Representations of Concepts},\n", ""), "no title"),
        (("  journal = {Proceedings},\n", ""), "neither where it appeared"),
        (("{1986},\n  url", "{next year},\n  url"), "year is 'next year'"),
        (("  pages", "  eprint = {1234.5678},\n  pages"), "url is not https://arxiv.org/abs/1234"),
        (("  pages", "  doi = {10.1/x},\n  pages"), "url is not https://doi.org/10.1/x"),
        (("  pages", "  pagecount = {many},\n  pages"), "pagecount is 'many'"),
        (("package = {dnn}", "package = {rnn}"), "whose topic does not list it"),
    ],
)
def test_a_faulty_record_is_named(problems, change, complaint):
    assert problems(RECORD) == []
    found = problems(RECORD.replace(*change))
    assert any("hinton1986learning" in line and complaint in line for line in found), found


def test_what_is_said_twice_or_not_at_all_is_named(problems):
    twin = RECORD.replace("hinton1986learning", "hinton1987learning").replace(
        "  package = {dnn},\n", ""
    )
    assert problems(RECORD + twin) == ["papers.bib: url https://example.org/families occurs twice"]
    assert "is not in papers.bib" in problems("")[0]
    assert (
        "constraint is 'patience'"
        in problems(RECORD, TOPIC.replace('"architecture"', '"patience"'))[0]
    )
    with pytest.raises(ValueError, match="there 2 times"):
        problems(RECORD + RECORD)
    with pytest.raises(ValueError, match="hinton1986learning is no BibTeX entry"):
        problems(RECORD.replace("Hinton},", "Hinton,"))


@pytest.mark.parametrize(
    ("author", "cite"),
    [
        ("Geoffrey E. Hinton", "Hinton, 1986"),
        ("Diederik P. Kingma and Jimmy Lei Ba", "Kingma and Ba, 1986"),
        ("Aaron van den Oord and Oriol Vinyals and others", "van den Oord et al., 1986"),
        ("Łukasz Kaiser and Marc'Aurelio Ranzato", "Kaiser and Ranzato, 1986"),
    ],
)
def test_citations_read_as_in_a_sentence(author, cite):
    assert bibliography.Record("x", {"author": author, "year": "1986"}).cite == cite


def test_a_title_is_without_braces_and_printed_pages_are_counted(tmp_path, problems):
    problems(RECORD)
    record = bibliography.load(tmp_path)["hinton1986learning"]
    assert record.title == "Learning Distributed Representations of Concepts"
    assert record.printed_pages == 12
    assert record.pages is None
