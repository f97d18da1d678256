"""The figures are those that the data give, they are readable, and what they say is the data's."""

import re
import xml.etree.ElementTree as ET

import pytest

from lessons.essays import facts, figures

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    figures.main(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def tips(svg):
    """Return the words of the touchable elements of an SVG, by id."""
    return {e.get("id"): e.get("data-tip") for e in ET.fromstring(svg).iter() if e.get("data-tip")}


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_committed_figure_is_what_the_data_give(drawn, name):
    committed = facts.ESSAYS / "figures" / f"{name}.svg"
    assert committed.read_text(encoding="utf-8") == drawn[name], "python -m lessons.essays.figures"


@pytest.mark.parametrize("name", figures.FIGURES)
def test_it_is_small_has_a_title_and_its_text_is_text(drawn, name):
    svg = drawn[name]
    assert len(svg) < 400_000
    root = ET.fromstring(svg)
    assert root.find(f"{SVG}title").text == figures.FIGURES[name][1]
    words = " ".join("".join(e.itertext()) for e in root.iter(f"{SVG}text"))
    assert {"queue": "Mixture of experts", "compute": "Llama 3.1, 2024"}[name] in words
    assert "tabindex" not in svg


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_colour_has_a_twin_on_dark_paper(drawn, name):
    svg = drawn[name]
    body = svg[svg.index("</style>") :].replace("stroke: #000000; stroke-opacity: 0", "")
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", body))
    assert used - set(figures.DARK) == set()


def test_touching_the_queue_tells_the_paper_its_reach_and_the_source(drawn):
    said = tips(drawn["queue"])
    assert len(said) == 3 * 36
    for paper in facts.papers():
        tip = said[f"queue-to-{paper.slug}"]
        assert tip.startswith(f"{paper.title}, {paper.year}: {paper.lag} year")
        assert f"{paper.forerunner}, {paper.forerunner_year}" in tip
        assert "Source: " in tip
        assert (f"own coding: {paper.catalogue}" in tip) == (paper.catalogue != paper.constraint)


def test_touching_a_bar_tells_its_factor_and_its_share(drawn):
    said = tips(drawn["compute"])
    parts = facts.shares("Llama 3.1")
    for part in facts.PARTS:
        tip = said[f"compute-llama-3-1-{part}"]
        assert f"{parts[part]:.0%} of the growth since AlexNet" in tip
        assert "arXiv" in tip or "Llama" in tip
    assert "by assumption" in said["compute-gpt-3-chips"]
    assert "by assumption" not in said["compute-llama-3-1-chips"]


def test_bars_are_as_long_as_the_growth(drawn):
    """The pieces of Llama's bar, measured in the picture, are in the ratio of their shares."""
    widths = {}
    for element in ET.fromstring(drawn["compute"]).iter(f"{SVG}g"):
        name = (element.get("id") or "").removeprefix("compute-llama-3-1-")
        if name in facts.PARTS:
            path = element.find(f"{SVG}path").get("d")
            xs = [float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)]
            widths[name] = max(xs) - min(xs)
    total = sum(widths.values())
    for part, share in facts.shares("Llama 3.1").items():
        assert widths[part] / total == pytest.approx(share, abs=1e-3)


def test_an_element_that_is_not_there_cannot_be_touched(tmp_path):
    with pytest.raises(ValueError, match=r"x\.svg: 0 elements are called lost"):
        figures.save(tmp_path / "x.svg", lambda figure: {"lost": "tip"}, "t")


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.1, "× 1.1"), (9.3, "× 9.3"), (626.2, "× 626"), (8192, "× 8,192"), (8.09e7, "× 8.1 · 10⁷")],
)
def test_factors_are_written_as_in_the_essay(factor, words):
    assert figures.times(factor) == words
