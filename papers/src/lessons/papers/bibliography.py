"""The bibliography: one record for every paper that is taught or cited."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bibtexparser
from bibtexparser.bparser import BibTexParser

from .topics import CONSTRAINTS, Topic


@dataclass(frozen=True)
class Record:
    """A paper, as papers.bib has it."""

    key: str
    fields: dict[str, str]

    @property
    def title(self) -> str:
        """The title, without the braces that keep capitals."""
        return re.sub(r"[{}]", "", self.fields.get("title", ""))

    @property
    def surnames(self) -> list[str]:
        """The authors' surnames, with particles; "others" stands for those left out."""
        names = re.split(r"\s+and\s+", self.fields.get("author", ""))
        return [re.sub(r"^(?:[^a-z\s]\S*\s+)+(?=\S)", "", name) for name in names]

    @property
    def cite(self) -> str:
        """How a sentence cites it: "Kingma and Ba, 2015"."""
        first, *others = self.surnames
        who = f"{first} and {others[0]}" if len(others) == 1 else f"{first} et al."
        return f"{who if others else first}, {self.fields.get('year')}"

    @property
    def url(self) -> str:
        """The address that explanations link to."""
        return self.fields.get("url", "")

    @property
    def pdf(self) -> str:
        """A PDF that anyone may download; empty if none is known."""
        return self.fields.get("pdf", "")

    @property
    def pages(self) -> int | None:
        """How many pages the PDF has, if that is known."""
        return int(self.fields["pagecount"]) if "pagecount" in self.fields else None

    @property
    def printed_pages(self) -> int | None:
        """How many pages it has in print, if the record gives the first and the last."""
        range_ = re.fullmatch(r"(\d+)--(\d+)", self.fields.get("pages", ""))
        return int(range_[2]) - int(range_[1]) + 1 if range_ else None


def load(root: Path) -> dict[str, Record]:
    """Return the records of ``papers/papers.bib`` by key.

    Raises:
        ValueError: an entry that is no BibTeX, or a key that occurs twice.
    """
    path = root / "papers" / "papers.bib"
    text = path.read_text(encoding="utf-8")
    parser = BibTexParser(common_strings=True, ignore_nonstandard_types=False)
    entries: list[dict[str, Any]] = bibtexparser.loads(text, parser).entries
    records = {entry.pop("ID"): entry for entry in map(dict, entries)}
    written = Counter(re.findall(r"^@\w+\{([^,\s]+)", text, flags=re.M))
    for key, times in written.items():
        if times > 1:
            raise ValueError(f"{path}: {key} is there {times} times")
        if key not in records:
            raise ValueError(f"{path}: {key} is no BibTeX entry (a brace or a comma is missing)")
    return {key: Record(key, fields) for key, fields in records.items()}


def problems(records: dict[str, Record], topics: dict[str, Topic]) -> list[str]:
    """Return what is wrong with the bibliography and the topics, one line each."""
    found = []
    venues = ("journal", "booktitle", "publisher", "institution", "school", "howpublished")
    for key, record in records.items():
        fields = record.fields
        needed = ["author", "title", "year", "url"]
        found += [f"papers.bib: {key} has no {name}" for name in needed if not fields.get(name)]
        if not re.fullmatch(r"[12]\d{3}", fields.get("year", "")):
            found.append(f"papers.bib: {key}: year is {fields.get('year')!r}")
        if not any(name in fields for name in (*venues, "eprint")):
            found.append(f"papers.bib: {key} says neither where it appeared nor its arXiv number")
        address = f"https://arxiv.org/abs/{fields.get('eprint')}"
        if "eprint" not in fields:  # a note says what the DOI is of, if not of this very paper
            known = "doi" in fields and "note" not in fields
            address = f"https://doi.org/{fields['doi']}" if known else record.url
        if record.url != address:
            found.append(f"papers.bib: {key}: url is not {address}")
        if not fields.get("pagecount", "1").isdigit():
            found.append(f"papers.bib: {key}: pagecount is {fields['pagecount']!r}")
        slug = fields.get("package")
        if slug and key not in (topics[slug].papers if slug in topics else ()):
            found.append(f"papers.bib: {key}: package is {slug}, whose topic does not list it")
    for field in ("url", "pdf", "eprint", "doi"):
        times = Counter(r.fields[field] for r in records.values() if field in r.fields)
        found += [
            f"papers.bib: {field} {value} occurs twice" for value, n in times.items() if n > 1
        ]
    for slug, topic in topics.items():
        for key in topic.papers:
            if key not in records:
                found.append(f"topics.toml: {slug}: {key} is not in papers.bib")
            elif records[key].fields.get("package") != slug:
                found.append(
                    f"topics.toml: {slug}: {key} has not package = {{{slug}}} in papers.bib"
                )
        if topic.constraint not in CONSTRAINTS:
            found.append(f"topics.toml: {slug}: constraint is {topic.constraint!r}")
    return found
