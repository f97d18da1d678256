"""What every package gets from the template besides the runner and the reader: the figures."""

import importlib


def test_the_same_numbers_draw_the_same_bytes(tmp_path):
    figures = importlib.import_module("lessons.papers.template.src.lab.figures")

    def draw(figure, numbers):
        axes = figure.subplots()
        axes.plot(numbers, label="a & b")
        axes.set(xlabel="step", ylabel="$x^2$ (m)")

    for name in ("a.svg", "b.svg"):
        figures.save_figure(tmp_path / name, draw, [1, 2, 4], "what <it> shows")
    svg = (tmp_path / "a.svg").read_text()
    assert svg == (tmp_path / "b.svg").read_text()
    assert "what &lt;it&gt; shows" in svg
    assert "step</text>" in svg
    assert "prefers-color-scheme:dark" in svg
