"""The explanation, README.md: its shape, its length, and where its links lead."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from .bibliography import Record
from .scaffold import HEADINGS
from .topics import Topic

ABSTRACT, WORDS, EXERCISES = (80, 150), (1500, 3000), (3, 5)
NO_PAPERS = ("github.com", "pypi.org", "wikipedia.org", "huggingface.co", "pytorch.org")


def problems(package: Path, topic: Topic, records: dict[str, Record]) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for a package's README."""
    text = (package / "README.md").read_text(encoding="utf-8")
    yield from (("README.md", what) for what in shape(text, topic))
    yield from (("README.md", what) for what in links(text, package, topic, records))


def shape(text: str, topic: Topic) -> Iterator[str]:
    """Yield what is wrong with title, headings, length, blocks and formulas."""
    bare = strip(text)
    if not re.match(r"# \S", text):
        yield "does not begin with a title, # …"
    headings = re.findall(r"^## +(.+?) *$", bare, flags=re.M)
    if headings != list(HEADINGS):
        missing = [heading for heading in HEADINGS if heading not in headings]
        other = [heading for heading in headings if heading not in HEADINGS]
        what = f"missing: {', '.join(missing)}; " if missing else ""
        what += f"not of the form: {', '.join(other)}; " if other else ""
        yield f"the headings are not those of an explanation, in order ({what or 'order'})"
    opening = re.sub(r"\A# .*\n", "", bare.partition("\n## ")[0]).strip()
    if "\n\n" in opening:
        yield "more than one paragraph stands before the first heading"
    low, high = ABSTRACT
    if not low <= count(opening) <= high:
        yield f"the opening paragraph has {count(opening)} words; it should have {low} to {high}"
    low, high = WORDS
    if not low <= count(bare) <= high:
        yield f"{count(bare)} words of prose; it should have {low} to {high}"
    parts = dict(zip(headings, re.split(r"^## .*$", text, flags=re.M)[1:], strict=False))
    wanted = {
        "What we measured": ("[[[cog claims_table(", "](results/"),
        "The implementation": ("[[[cog excerpt(",),
        "The idea": ("](idea.svg)",),
        "Use it": ("pip install", f"python -m lessons.{topic.module}", "\n```python\n"),
    }
    for heading, needles in wanted.items():
        for needle in needles:
            if heading in parts and needle not in parts[heading]:
                yield f"{heading} has no {needle.strip()}"
    low, high = EXERCISES
    exercises = len(re.findall(r"^(?:\d+\.|[-*]) ", parts.get("Exercises", ""), flags=re.M))
    if "Exercises" in parts and not low <= exercises <= high:
        yield f"{exercises} exercises, as a list; there should be {low} to {high}"
    if "\\tag" in text:
        yield "\\tag does not render everywhere: give the paper's equation number in the text"


def links(text: str, package: Path, topic: Topic, records: dict[str, Record]) -> Iterator[str]:
    """Yield links that lead nowhere, pictures without a text, papers that are not in the bib."""
    bare = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    bare = re.sub(r"`[^`\n]*`", "", bare)
    for alt in re.findall(r"!\[([^\]]*)\]\(", bare):
        if len(alt.split()) < 3:
            yield f"a picture's alternative text says nothing: {alt!r}"
    if re.search(r"<img (?![^>]*\balt=\"[^\"]+\")", bare):
        yield "an <img> has no alternative text"
    targets = re.findall(r"\]\(<?((?:[^()\s>]|\([^()\s]*\))+)>?[^)]*\)", bare)
    targets += re.findall(r'\b(?:src|href|srcset)="([^"]+)"', bare)
    targets += re.findall(r"<(https?://[^>\s]+)>", bare)
    addresses = {record.url for record in records.values()}
    hosts = {urlsplit(address).netloc for address in addresses}
    for target in sorted(set(targets)):
        parts = urlsplit(target)
        if parts.scheme in ("http", "https"):
            paper = parts.netloc in hosts and not parts.netloc.endswith(NO_PAPERS)
            if paper and target not in addresses:
                yield f"{target} is no url of papers.bib (add the record, or link to its url)"
        elif parts.scheme == "" and parts.path:
            path = (package / parts.path).resolve()
            if not path.is_relative_to(package.resolve()):
                yield f"{target} leads out of the package, which has to stand alone"
            elif not path.exists():
                yield f"{target} leads nowhere"
    for key in topic.papers:
        if records[key].url not in targets:
            yield f"{key} is not cited ({records[key].url})"


def strip(text: str) -> str:
    """Return a README without what is not prose: code, generated blocks, tables, formulas."""
    text = re.sub(r"<!-- \[\[\[cog.*?\[\[\[end\]\]\] -->", "", text, flags=re.S)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"<!--.*?-->|\$\$.*?\$\$", "", text, flags=re.S)
    text = re.sub(r"^\|.*$", "", text, flags=re.M)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)  # pictures
    return re.sub(r"\]\([^)]*\)|<[^>\s][^>]*>", "]", text)  # addresses, HTML


def count(text: str) -> int:
    """Return the number of words; a formula or a piece of code within a line counts as one."""
    text = re.sub(r"\$[^$\n]+\$|`[^`\n]+`", "x", text)
    return sum(any(c.isalnum() for c in word) for word in text.split())
