"""Whether claims are told as agreed, and whether each was measured and judged."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import claims
from .claims import NOT_SEEN, UNDECIDED, VERDICTS
from .prose import count

CELL, QUOTATION = 15, 30  # words, at most
SHARE = 20  # of so many verdicts one may be undecided
# What a program prints and no table should: lists, None, exponents, "seed(s)". An interval of
# unequal sides, 1.42 [1.30, 1.55], is none of it.
INTERVAL = re.compile(r"(?<=\d )\[[−-]?[\d.,]+, [−-]?[\d.,]+\]")
PROGRAM = re.compile(r"\[|\bNone\b|\bnan\b|\d[eE][+-]?\d|\(s\)")


def problems(
    package: Path, words: list[dict[str, Any]], earlier: bool
) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for a package's claims and their results.

    Args:
        package: the package's folder.
        words: what `claims.declared` says of it.
        earlier: whether its claims have yet to be judged anew, and may be told as they were.
    """
    file = f"src/lessons/{package.name.replace('-', '_')}/claims"
    for claim in words:
        yield from ((file, f"{claim['id']}: {what}") for what in wording(claim, earlier))
    ids = [claim["id"] for claim in words]
    yield from (
        (file, f"{id} is there twice") for id in sorted({i for i in ids if ids.count(i) > 1})
    )
    yield from (("results/claims.json", what) for what in measured(package, words, earlier))


def wording(claim: dict[str, Any], earlier: bool) -> Iterator[str]:
    """Yield what is wrong with a claim's words."""
    if not re.fullmatch(r"[CDE]\d+[a-z]?", claim["id"]):
        yield "an id is C1, C2a … for claims, D1 for demonstrations, E1 for errata"
    yield from cell("says", claim["says"])
    if not claim["says"]:
        yield "says nothing"
    if earlier:
        return
    yield from cell("paper", claim["paper"])
    if count(claim["quotes"]) > QUOTATION:
        yield f"quotes {count(claim['quotes'])} words; at most {QUOTATION}"
    if not claim["quotes"] and claim["kind"] != "demonstration":
        yield "quotes nothing of the paper (if the paper does not say it, it is a demonstration)"
    for key in ("asks", "holds_if", "fails_if") if claim["kind"] == "claim" else ():
        if not claim[key]:
            yield f"{key} is empty: a rule comes before the result"


def cell(name: str, text: str) -> Iterator[str]:
    """Yield why a text cannot stand in the README's table."""
    if count(text) > CELL:
        yield f"{name} has {count(text)} words; a cell of the table has at most {CELL}"
    program = PROGRAM.search(INTERVAL.sub("", text))
    if program:
        yield f"{name} reads like a program's output: {program[0]!r} in {text!r}"


def measured(package: Path, words: list[dict[str, Any]], earlier: bool) -> Iterator[str]:
    """Yield what is wrong with what was measured."""
    try:
        content = claims.results(package)
    except ValueError:
        return  # said of what is generated from it
    if content is None:
        return
    records = {record["id"]: record for record in content["claims"]}
    if not content["run"].startswith(("full, ", "paper, ")):
        yield f"is not from a full run, but {content['run']!r}"
    for id in sorted(records.keys() - {claim["id"] for claim in words}):
        yield f"{id} is none of the claims"
    for claim in words:
        record = records.get(claim["id"])
        if record is None:
            yield f"{claim['id']} has not been measured"
        else:
            found = judged(claim, record, earlier)
            yield from (f"{claim['id']}{what}" for what in found)
            if claim["draws"] and not (package / "results" / f"{claim['id']}.svg").is_file():
                yield f"{claim['id']}.svg is missing"
    given = [record["verdict"] for record in records.values() if record["verdict"]]
    undecided, most = given.count(UNDECIDED), -(-len(given) // SHARE)
    if undecided > most and not earlier:
        yield f"{undecided} of {len(given)} verdicts are undecided; at most one in {SHARE} may be"


def judged(claim: dict[str, Any], record: dict[str, Any], earlier: bool) -> Iterator[str]:
    """Yield what is wrong with the record of a claim."""
    # Results of earlier rules may say at length what the claim now asks.
    known = claim | ({"says": record.get("says")} if earlier else {})
    for key in sorted(claim.keys() & record.keys()):
        if known[key] != record[key]:
            yield f": {key} differs from the claim's: measure or judge it again"
    verdict = record["verdict"]
    if claim["kind"] != "claim" and verdict is not None:
        yield f": only claims have a verdict, got {verdict!r} for this {claim['kind']}"
    if claim["kind"] == "claim" and verdict not in VERDICTS:
        yield f": the verdict is {verdict!r}"
    if verdict == NOT_SEEN and not record.get("between"):
        yield " does not say what stands between"
    numbers = any(character.isdigit() for character in str(record.get("measured")))
    if not numbers and claim["kind"] != "erratum":
        yield " has no number in what was measured"
    if not earlier:
        yield from (f": {what}" for what in cell("ours", record.get("ours", "")))
        if not record.get("ours"):
            yield ": ours is empty"
        if verdict == UNDECIDED and not record.get("would_decide"):
            yield " does not say what would decide"
