"""Whether every number that the README tells of our measurements is in the results.

A number in the prose of *What we measured* has to be one of ``results/claims.json`` (or of a text
in it), rounded as printed; a percentage may be a hundred times one. A paragraph that names claims,
"(C3)", may tell these claims' numbers only; among all of them any number would find its like.
Exempt is what is no result: a number with a citation behind it, a year, a place in the paper, a
name with a number in it, code, a formula. What is computed from results (a ratio, a difference)
has to be among the results.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import claims
from .bibliography import Record

SECTION = "What we measured"
CURVE = 16  # of a longer list only its ends, extremes and mean count: a curve has every number
NEAR = 15  # words, at most, from a number to the citation that it has
UNTOLD = {"id", "kind", "figure", "seconds", "measured_at", "machine", "full_only"}
NUMERAL = re.compile(
    r"(?<![\w.,])(?<![A-Za-z]-)"  # neither in a word nor behind its hyphen: C4, float64, LeNet-5
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.?\d+)"
    r"(?:\s*[×·]\s*10(?P<power>[⁻⁺]?[⁰¹²³⁴-⁹]+)|(?P<raised>[⁻⁺]?[⁰¹²³⁴-⁹]+)|e(?P<e>[+-]?\d+))?"
    r"(?P<letters>[A-Za-z]\w*)?(?P<percent>\s?(?:%|per cent|percent|points?\b))?"
)
SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "x": 1, "s": 1, "ms": 1}
RAISED = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789")
# "About 12,000" may be 12,345.
HEDGE = re.compile(r"(?:\b(?:about|around|some|roughly|nearly|almost|over|under|than)|[≈~])\s*$")
ORDINAL = r"\d+(?:\.\d+)*[a-z]?"
PLACE = re.compile(
    r"(?:§§?|\b(?:sections?|sects?\.|appendi(?:x|ces)|chapters?|pages?|pp?\.|figures?|figs?\.|"
    r"tables?|equations?|eqs?\.|theorems?|lemmas?|propositions?|algorithms?|footnotes?|exercises?)"
    rf")\s*\(?{ORDINAL}\)?(?:\s*(?:,|–|and|or|to)\s*\(?{ORDINAL}\)?(?![\d.%]))*",
    re.I,
)
YEAR = re.compile(r"(?<![\w.,−-])(?:19|20)\d\d(?:–(?:19|20)?\d\d)?(?!\w|[.,]\d|\s?%)")
LEVEL = re.compile(r"\b95\s?%(?=\s+(?:confidence\s+)?intervals?\b)")
CODE = re.compile(
    r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->|<!--.*?-->|^```.*?^```|`[^`\n]*`|\$\$.*?\$\$",
    re.M | re.S,
)
FORMULA = re.compile(r"\$([^$\n]+)\$")
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(<?((?:[^()\s>]|\([^()\s]*\))+)>?[^)]*\)")
ID = re.compile(r"\b[CDE]\d+[a-z]?\b")
# From 47 to 12%; 0.94 and 1.00%.
PERCENT_TO_COME = re.compile(
    r"(?:\s*(?:,|–|±|and|or|to|against|from|of)\s*[\d.,]*\d){1,4}"
    r"\s?(?:%|per cent|percent|points?\b)"
)
CITED = "\0"  # stands where a link to a paper stood
END = re.compile(r"[.!?]\W{0,2}\s+(?=[^a-z])|[;:]\s|\n\s*\n|\n\s*(?:[-*|]|\d+\.)\s|\Z")


def problems(
    package: Path, words: list[dict[str, Any]], records: dict[str, Record]
) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for the numbers of a package's README.

    Args:
        package: the package's folder.
        words: what `claims.declared` says of it: a rule's numbers may be told, too.
        records: the bibliography.
    """
    path = package / "README.md"
    try:
        found = claims.results(package)
    except ValueError:  # said of what is generated from it
        return
    if found is None or not path.is_file():
        return
    known = {claim["id"]: list(numbers_in(claim)) for claim in words}
    for record in found["claims"]:
        known.setdefault(record["id"], []).extend(numbers_in(record))
    for line, shown in unknown(path.read_text(encoding="utf-8"), known, records):
        yield path.name, f"line {line}: {shown}"


class Known:
    """Numbers, to be looked up by their size."""

    def __init__(self, values: Iterable[float]) -> None:
        self.values = sorted({abs(value) for value in values})

    def has(self, value: float, tolerance: float) -> bool:
        """Return whether one of them is that near; a billionth of it is lost to rounding."""
        slack = tolerance + 1e-9 * abs(value)
        first = bisect_left(self.values, value - slack)
        return first < len(self.values) and self.values[first] <= value + slack


def numbers_in(thing: Any) -> Iterator[float]:
    """Yield the numbers of a record: those in its texts, too; of long lists what sums them up."""
    if isinstance(thing, bool) or thing is None:
        return
    if isinstance(thing, int | float):
        yield thing
    elif isinstance(thing, str):
        for match in NUMERAL.finditer(thing):
            if match["letters"] is None or match["letters"] in SCALES:
                yield size(match)[0]
    elif isinstance(thing, dict):
        for key, value in thing.items():
            if key not in UNTOLD:
                yield from numbers_in(key)
                yield from numbers_in(value)
    elif thing and all(isinstance(x, int | float) and not isinstance(x, bool) for x in thing):
        yield from thing if len(thing) <= CURVE else (thing[0], thing[-1], min(thing), max(thing))
        yield sum(thing) / len(thing)
    else:
        for part in thing:
            yield from numbers_in(part)


def unknown(
    text: str, known: dict[str, list[float]], records: dict[str, Record]
) -> Iterator[tuple[int, str]]:
    """Yield (line, what is wrong) for each number of the section that nothing backs.

    Args:
        text: the README.
        known: the numbers of each claim.
        records: the bibliography.
    """
    before, heading, rest = text.partition(f"\n## {SECTION}\n")
    line = (before + heading).count("\n") + 1
    section = prose(re.split(r"^## ", rest, maxsplit=1, flags=re.M)[0], records)
    for paragraph in re.split(r"(?<=\n)(?=[^\S\n]*\n)", section):
        named = {id for told in ID.findall(paragraph) for id in known if of(id, told)}
        pool = Known(value for id in named or known for value in known[id])
        for match in NUMERAL.finditer(paragraph):
            if backed(match, paragraph, pool):
                continue
            around = paragraph[max(0, match.start() - 30) : match.end() + 20].replace(CITED, "…")
            where = line + paragraph.count("\n", 0, match.start())
            place = f"of {', '.join(sorted(named))} " if named else ""
            shown = f"{match[0].strip()} (“…{' '.join(around.split())}…”)"
            yield where, f"{shown} is no number {place}in results/claims.json, nor cited behind it"
        line += paragraph.count("\n")


def of(id: str, told: str) -> bool:
    """Return whether a text that tells of C4 tells of the claim: C4 itself, C4a, C4b."""
    return id == told or (told[-1].isdigit() and id[:-1] == told)


def backed(match: re.Match, paragraph: str, pool: Known) -> bool:
    """Return whether a numeral is known, cited, or no result."""
    if match["letters"] and match["letters"] not in SCALES:
        return True  # a name: 3D, 2nd
    end = END.search(paragraph, match.end())
    behind, cited, _ = paragraph[match.end() : end.start() if end else None].partition(CITED)
    if cited and len(behind.split()) <= NEAR:
        return True
    value, step = size(match)
    if HEDGE.search(paragraph, max(0, match.start() - 12), match.start()):
        zeros = re.search(r"(?<=[1-9])0+$", match["digits"].replace(",", ""))
        step *= 10 ** len(zeros[0]) if zeros else 1
    percent = match["percent"] or PERCENT_TO_COME.match(behind)
    return pool.has(value, step / 2) or bool(percent and pool.has(value / 100, step / 200))


def prose(section: str, records: dict[str, Record]) -> str:
    """Return a section's text, on the same lines, without numbers that cannot be results."""
    addresses = {record.url for record in records.values()}

    def link(match: re.Match) -> str:
        text = CITED if match[2] in addresses else match[1]
        return text + "\n" * (match[0].count("\n") - text.count("\n"))

    def formula(match: re.Match) -> str:
        """Keep 0.31 ± 0.02, a result; drop what has letters or signs of a formula."""
        text = re.sub(r"\\pm|\\approx|\\,|\\;", " ", match[1]).replace("\\%", "%")
        text = text.replace("\\times", "×").replace("{,}", ",")
        text = re.sub(r"10\^\{?(-?\d+)\}?", lambda m: "10" + superscript(m[1]), text)
        return text if re.fullmatch(r"[\d.,\s±×%−⁻⁰¹²³⁴-⁹-]+", text) else " "

    section = CODE.sub(blank, section)
    section = LINK.sub(link, FORMULA.sub(formula, section))
    for pattern in (PLACE, YEAR, LEVEL):
        section = pattern.sub(blank, section)
    return section


def blank(match: re.Match) -> str:
    """Return the line ends of what is left out, so that the lines keep their numbers."""
    return " " + "\n" * match[0].count("\n")


def superscript(text: str) -> str:
    """Return digits raised."""
    return text.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def size(match: re.Match) -> tuple[float, float]:
    """Return a numeral's value and the step of its last digit."""
    digits = match["digits"].replace(",", "")
    value, step = float(digits), 10.0 ** -len(digits.partition(".")[2])
    if match["raised"]:  # a power, which is exact: 10⁻³
        return value ** int(match["raised"].translate(RAISED)), 0.0
    power = (match["power"] or match["e"] or "0").translate(RAISED)
    scale = SCALES.get(match["letters"], 1) * 10.0 ** int(power)
    return value * scale, step * scale
