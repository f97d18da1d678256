"""Numbers in the prose of *What we measured*: each is backed by a result, cited, or none."""

import pytest

from lessons.papers import numbers
from lessons.papers.bibliography import Record

URL = "https://arxiv.org/abs/1412.6980"
RECORDS = {"kingma": Record("kingma", {"url": URL})}
CURVE = [1.0 - 0.01 * step for step in range(100)]
RESULTS = {
    "C1": {
        "id": "C1",
        "verdict": "holds",
        "ours": "−0.004 ± 0.003 nats",
        "ran": "60,000 images, batch 128, a 784-1000-10 net, ε of 1e-8, 5 seeds",
        "numbers": {"losses": [0.22384, 0.22378, 0.22389], "share": 0.8412, "steps": 12345,
                    "best": {"0.003": True}, "curve": CURVE, "nothing": None, "small": 2.5e-5},
        "seconds": 4321.0, "machine": "x86_64, torch 2.15.0, 7 threads",
    },
    "C4a": {"id": "C4a", "numbers": {"error": 0.0594}},
    "C4b": {"id": "C4b", "numbers": {"error": 0.0636}},
}  # fmt: skip
KNOWN = {id: list(numbers.numbers_in(record)) for id, record in RESULTS.items()}


def unknown(text):
    """Return what is wrong with a section."""
    readme = f"# T\n\n0.77 stands elsewhere.\n\n## What we measured\n\n{text}\n\n## Next\n\n0.78"
    return [what for _, what in numbers.unknown(readme, KNOWN, RECORDS)]


@pytest.mark.parametrize(
    "text",
    [
        "It ends at 0.224, or 0.2238 (C1), and 0.0594 (C4a).",
        "It ends 0.004 lower, or −0.004.",
        "It found 84% of them, 84.1 per cent, 84 to 84.1%, .84.",
        "Errors of 5.9% and 6.4% (C4).",
        "It took 12,345 steps, about 12,000, some 10,000.",
        "On 60,000 images, 60k, in batches of 128, a net of 784-1000-10.",
        "It differs by 2.5 × 10⁻⁵, and ε is 10⁻⁸ or 1e-8.",
        "From 1.0 it falls to 0.01.",
        # what is no result
        "LeNet-5, C4a, float64, 2nd, 3D, L2 and `0.99` in code, since 1998, in 1998–99.",
        "§6.17, Fig. 71, Tables 71 and 72, eq. (71), Exercise 71, pp. 371–379: all of it.",
        "With $\\beta_2 = 0.77$ and $$x = 0.77.$$",
        "```python\n0.77\n```\n",
        "The bars are 95% intervals.",
        f"The paper ends at 0.77 ([Kingma and Ba, 2015]({URL})).",
        f"The paper ends at 0.77 and 0.76 nats after 77 passes ([2015]({URL})).",
        "<!-- [[[cog claims_table() ]]] -->\n0.77\n<!-- [[[end]]] -->",
    ],
)
def test_backed_cited_or_no_result(text):
    assert unknown(text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It ends at 0.225.", "0.225"),
        ("It ends at 0.2237 nats.", "0.2237"),
        ("It found 85% of them.", "85%"),
        ("It found 0.85 to 84%.", "0.85"),
        ("It took 12,346 steps.", "12,346"),
        ("It took about 13,000 steps.", "13,000"),
        ("It took 12,000 steps.", "12,000"),
        ("It differs by 2.6 × 10⁻⁵.", "2.6 × 10⁻⁵"),
        ("The sum is 10⁻⁹.", "10⁻⁹"),
        ("On the way it is at 0.57.", "0.57"),  # a curve of a hundred values has every number
        ("It took 4321 seconds.", "4321"),
        ("It is $0.777$ or so.", "0.777"),
        ("It is $0.224 \\pm 0.077$.", "0.077"),
        ("A [link](https://example.org) of 0.777 ([here](https://example.org/0.777)).", "0.777"),
        (f"See [2015]({URL}). We have 0.777.", "0.777"),
        (f"We have 0.777; the paper tells less ([2015]({URL})).", "0.777"),
        ("| depth | 0.777 |", "0.777"),
        ("![A curve that ends at 0.777](results/C1.svg)", "0.777"),
        ("Its error is 0.0594 (C1).", "0.0594"),  # another claim's number
        ("Its error is 0.0636 (C4a).", "0.0636"),
    ],
)
def test_a_planted_number_is_found(text, number):
    (found,) = unknown(text)
    assert found.startswith(f"{number} (")


def test_the_line_is_told_and_the_claims_that_were_looked_at():
    text = "# T\n\n## What we measured\n\nOne,\n<!-- a\nb -->\n\nand\n0.777 (C4).\n"
    ((line, what),) = numbers.unknown(text, KNOWN, RECORDS)
    assert text.splitlines()[line - 1] == "0.777 (C4)."
    assert what.startswith("0.777 (“…and 0.777 (C4).…”) is no number of C4a, C4b in results")


def test_the_section_of_another_package_has_nothing_to_look_up():
    assert list(numbers.unknown("# T\n\nno such section, 0.77\n", KNOWN, RECORDS)) == []


def test_most_planted_numbers_are_found_even_among_many_results():
    """Among the numbers of a hundred seeds and settings the check still says something."""
    many = [0.1 + 0.8 * i / 97 for i in range(97)]
    known = {"C1": list(numbers.numbers_in({"numbers": [[x, x] for x in many]}))}
    hits = [unknown_in(known, f"0.{n:03}") for n in range(100, 900)]
    assert sum(hits) > 0.8 * len(hits)


def unknown_in(known, number):
    return bool(list(numbers.unknown(f"\n## What we measured\n\nIt is {number}.", known, {})))
