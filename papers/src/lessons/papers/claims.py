"""What is generated from a package's claims and their results: tables, CLAIMS.md, committed.json.

The words of a claim come from its source, what was found from ``results/claims.json``.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from .topics import Topic

HOLDS, REFUTED, NOT_SEEN, UNDECIDED = VERDICTS = (
    "holds", "refuted", "not seen at this scale", "undecided",
)  # fmt: skip
NOTHING_YET = "*Nothing has been measured yet.*"
EARLIER = (
    "These verdicts were reached by earlier rules, on points and not on intervals; each is to be "
    "judged anew."
)
KINDS = {"claim": "Claims", "demonstration": "Demonstrations", "erratum": "Errata"}

# Runs in a process of its own, where the packages' source comes first on the path.
ASK = """
import importlib, json, sys
found = {}
for module in sys.argv[1:]:
    try:
        claims = importlib.import_module(f"lessons.{module}.claims").CLAIMS
        found[module] = [claim.words | {"draws": bool(claim.draw)} for claim in claims]
    except Exception as error:
        found[module] = f"{type(error).__name__}: {error}"
json.dump(found, sys.stdout)
"""


def declared(root: Path, topics: list[Topic]) -> dict[str, Any]:
    """Return the words of each module's claims as a list of dictionaries, or why it has none."""
    if not topics:
        return {}
    sources = [str(root / "packages" / topic.slug / "src") for topic in topics]
    path = os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [sys.executable, "-c", ASK, *(topic.module for topic in topics)]
    environment = os.environ | {"PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return dict.fromkeys((topic.module for topic in topics), why)
    return json.loads(done.stdout)


def results(package: Path) -> dict[str, Any] | None:
    """Return what the last full run found; None if nothing has been measured.

    Raises:
        ValueError: ``results/claims.json`` is not what the runner writes.
    """
    path = package / "results" / "claims.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        for record in content["claims"]:
            record["id"], record["verdict"], record["seconds"], record["machine"]
        content["run"].partition(", ")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"results/claims.json is not what the runner writes: {why}") from error
    return content


def told(package: Path, words: list[dict] | str) -> list[dict[str, Any]]:
    """Return of every claim its words and, where it has been measured, what was found.

    Args:
        package: the package's folder.
        words: what `declared` says of it.

    Raises:
        ValueError: the claims cannot be imported, or the results not be read.
    """
    if isinstance(words, str):
        raise ValueError(f"the claims cannot be imported: {words}")
    found = results(package) or {"claims": []}
    records = {record["id"]: record for record in found["claims"]}
    return [records.get(claim["id"], {"verdict": None}) | claim for claim in words]


def committed(package: Path) -> str | None:
    """Return the text of ``claims/committed.json``, which an installed package has of the results.

    None if nothing has been measured.
    """
    found = results(package)
    if found is None:
        return None
    short = {
        record["id"]: {"verdict": record["verdict"], "ours": record.get("ours", "")}
        for record in found["claims"]
    }
    return json.dumps(short, indent=1, ensure_ascii=False) + "\n"


def claims_table(package: Path, claims: list[dict]) -> str:
    """Return the claims, the paper's number, ours and the verdict, a line each."""
    rows = [("Claim", "The paper", "Ours", "Verdict"), ("---",) * 4]
    for claim in of_kind(claims, "claim"):
        shown = claim.get("paper", ""), claim.get("ours", "")
        rows.append((name(claim), *map(escape, shown), verdict(claim)))
    return f"{table(rows)}\n\n{measured_by(package)}"


def earlier_table(package: Path, claims: list[dict]) -> str:
    """Return the claims and the verdicts of a package whose claims have yet to be judged anew."""
    rows = [("Claim", "Verdict"), ("---",) * 2]
    rows += [(name(claim), verdict(claim)) for claim in claims]
    sentence = f"{EARLIER} [CLAIMS.md](CLAIMS.md) tells what was run and measured."
    return f"{sentence}\n\n{table(rows)}\n\n{measured_by(package)}"


def demonstrations_table(package: Path, claims: list[dict]) -> str:
    """Return the demonstrations, and what was found."""
    rows = [("Demonstration", "Ours"), ("---",) * 2]
    rows += [(name(c), escape(c.get("ours", ""))) for c in of_kind(claims, "demonstration")]
    return table(rows)


def errata_list(package: Path, claims: list[dict]) -> str:
    """Return the slips of the paper, where they stand, and what is right."""
    lines = []
    for claim in of_kind(claims, "erratum"):
        right = f": {escape(claim['ours'])}." if claim.get("ours") else ""
        lines.append(f"- {name(claim)} ({escape(claim['source'])}){right}")
    return "\n".join(lines)


def page(package: Path, topic: Topic, claims: list[dict], earlier: bool) -> str:
    """Return the text of CLAIMS.md: every claim in full.

    Args:
        package: the package's folder, which has been measured.
        topic: its topic.
        claims: what `told` says.
        earlier: whether the verdicts are those of earlier rules.
    """
    parts = [
        f"# {topic.title}: the claims",
        f"<!-- Generated by python -m lessons.papers sync {topic.slug}, from results/claims.json "
        f"and src/lessons/{topic.module}/claims/. -->",
        "What each claim of [README.md](README.md)'s table says, what was asked, run and measured, "
        "and what the verdict rests on.",
        measured_by(package),
    ]
    if earlier:
        parts.insert(3, EARLIER)
    for each, heading in KINDS.items():
        some = of_kind(claims, each)
        parts += [f"## {heading}"] if some else []
        for claim in some:
            parts += entry(package, claim)
    return "\n\n".join(parts) + "\n"


def entry(package: Path, claim: dict) -> list[str]:
    """Return a claim in full, as paragraphs; its heading is its id, so that ``#c1`` leads to it."""
    get = {key: plain(value) for key, value in claim.items() if isinstance(value, str)}.get
    parts = [f"### {claim['id']}", f"**{get('says')}**"]
    if get("quotes"):
        parts.append(f"> “{get('quotes')}”\n>\n> {get('source')}")
    elif get("source"):
        parts.append(f"In the paper: {get('source')}.")
    rule = (
        f"holds if {get('holds_if')}; fails if {get('fails_if', '').rstrip('.')}."
        if get("holds_if")
        else ""
    )
    lines = [
        ("Asked", get("asks")),
        ("The rule", rule),
        ("Run", get("ran")),
        ("Measured", get("measured")),
        ("The paper", get("paper")),
        ("Ours", ours(claim)),
        ("Verdict", verdict(claim) if claim["kind"] == "claim" else ""),
        ("What stands between", get("between") if claim["verdict"] == NOT_SEEN else ""),
        ("What would decide", get("would_decide") if claim["verdict"] == UNDECIDED else ""),
        ("Tested", "by a full run only" if claim.get("full_only") else ""),
    ]
    parts.append("\n".join(f"- {label}: {text}" for label, text in lines if text))
    if claim.get("figure") and (package / "results" / claim["figure"]).is_file():
        parts.append(f"![{claim['id']}: {get('says')}](results/{claim['figure']})")
    return parts


def ours(claim: dict) -> str:
    """Return our number and what its verdict rests on: the interval, n, and the line."""
    text, basis = plain(claim.get("ours", "")), claim.get("rests_on")
    if not basis:
        return text
    mean, low, high = (number(basis[key]) for key in ("mean", "low", "high"))
    rests = f"the verdict rests on {mean}, 95% interval {low} to {high}, n = {basis['n']}"
    line = basis.get("line")
    if line is not None:
        lines = line if isinstance(line, list) else [line]
        rests += f"; asked is {basis['side']} {' and '.join(map(number, lines))}"
    return f"{text} ({rests})" if text else rests


def number(value: float) -> str:
    """Return a number of three digits as text: no exponents where there need be none."""
    shown = f"{value:.3g}"
    if "e" in shown:
        mantissa, exponent = shown.split("e")
        raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        shown = f"{value:,.0f}" if 3 <= int(exponent) < 7 else f"{mantissa} × 10{raised}"
    return shown.replace("-", "−")


def of_kind(claims: list[dict], which: str) -> list[dict]:
    """Return the claims of a kind, in their order."""
    return [claim for claim in claims if claim["kind"] == which]


def name(claim: dict) -> str:
    """Return a claim's id, linked to its whole story, and what it says."""
    return f"[{claim['id']}](CLAIMS.md#{claim['id'].lower()}) {escape(claim['says'])}"


def verdict(claim: dict) -> str:
    """Return a verdict in bold."""
    return f"**{claim['verdict']}**" if claim["verdict"] else "not yet measured"


def measured_by(package: Path) -> str:
    """Return the sentence that says by which command, how long and on what it was measured."""
    found = results(package)
    if found is None:
        return NOTHING_YET
    module = package.name.replace("-", "_")
    scale, _, where = found["run"].partition(", ")
    flag = f" --{scale}" if scale in ("full", "paper") else ""
    # Claims share trials, so that their own durations would count some of them twice.
    trials = package / "results" / "trials.json"
    timed = json.loads(trials.read_text("utf-8"))["trials"].values() if trials.is_file() else ()
    seconds = sum(each["seconds"] for each in timed or found["claims"])
    spent = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    machines = "; ".join(sorted({claim["machine"] for claim in found["claims"]}))
    return f"Measured by `python -m lessons.{module}{flag}` ({where}) in {spent}: {machines}."


def table(rows: list[tuple[str, ...]]) -> str:
    """Return rows as a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def plain(text: str) -> str:
    """Return plain text as Markdown that reads the same in a paragraph or an item of a list.

    Lines after the first become a numbered list inside that item.
    """
    first, *others = (escape(line).replace("\\|", "|") for line in text.split("\n"))
    return "\n".join([first, *(f"    {i}. {line}" for i, line in enumerate(others, 1))])


def escape(text: str) -> str:
    """Return plain text as Markdown that reads the same in a table's cell."""
    return re.sub(r"([\\|*_<$`\[\]])", r"\\\1", " ".join(text.split()))
