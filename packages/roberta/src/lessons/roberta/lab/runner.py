"""Re-test the paper's claims on this machine, show what was found, and keep it.

The same in every package: copied from the template under papers/, never edited in the package.
Beside every verdict measured here stands the committed one; none is shown that was not measured.
"""

import argparse
import codecs
import contextlib
import errno
import functools
import json
import re
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from .. import claims as package
from .claim import Claim
from .run import Run

MODULE = package.__name__.rpartition(".")[0]
TOPIC = MODULE.rpartition(".")[2].replace("_", "-")
COMMITTED = Path(package.__file__ or ".").with_name("committed.json")
EVERY = 30  # seconds between two lines of progress where there is no terminal
WIDTH = 80  # columns of the table, whatever the terminal has
STYLE = {
    "holds": "green", "refuted": "magenta", "not seen at this scale": "yellow",
    "undecided": "cyan", "failed": "red",
}  # fmt: skip
KINDS = {
    "demonstration": "Demonstrations: not in the paper, hence without verdict",
    "erratum": "Errata: slips in the paper's print",
}
# What is written where an encoding lacks a character: a minus sign must not become a "?".
ASCII = dict(zip("−–—≈×·“”‘’", "---~x*\"\"''"))
ASCII |= {"≠": "!=", "≤": "<=", "≥": ">=", "→": "->", "…": "...", "±": "+-", "∞": "inf"}


def main(argv: list[str], console: Console | None = None) -> int:
    """Run ``python -m lessons.<topic>``; return the exit status (0: the run completed)."""
    for stream in (sys.stdout, sys.stderr):
        speak(stream)
    commands, console = getattr(package, "COMMANDS", {}), console or Console(highlight=False)
    if argv and argv[0] in commands:
        return commands[argv[0]](argv[1:])
    args, run, claims, committed = arguments(argv, package.CLAIMS, commands)
    say = functools.partial(console.print, soft_wrap=True, highlight=False)
    if run is None:  # --list
        for claim in claims:
            say(f"{claim.id:4} {escape(claim.says)} [dim]{escape(claim.source)}[/]")
        return 0
    if run.trials:
        old = sum(trial.get("code") != run.code for trial in run.trials.values())
        note = f", {old} of them by other code than is here now" if old else ""
        say(f"{run.out} has {len(run.trials)} trials{note}; --fresh measures them anew.")
    found, failed = measure(run, claims, console, say)
    show(console, claims, found, failed, committed)
    for line in summary(claims, found, failed, committed):
        say(line)
    if found:
        say(f"{run.out / 'claims.json'} has the numbers; the figures lie beside it.")
    wrong = [c.id for c in claims if differs(c, found, committed)] if args.check else []
    for id in wrong:
        was = committed[id]["verdict"] if id in committed else "missing"
        say(f"[red]{id} was {was!r} in {args.check}[/]")
    return 1 if failed or wrong else 0


def measure(
    run: Run, claims: Sequence[Claim], console: Console, say: Callable[[str], None]
) -> tuple[dict[str, Any], set[str]]:
    """Run the claims one after another; return the records by id, and the ids that failed."""
    found, failed = {}, set()
    with contextlib.ExitStack() as stack:
        whole = None
        if console.is_interactive:
            progress = stack.enter_context(Progress(console=console, transient=True))
            whole = progress.add_task("", total=len(claims))
            run.track = functools.partial(bars, progress)
        else:
            run.track = functools.partial(lines, say)
        for claim in claims:
            if claim.full_only and run.scale == "default":
                say(f"{claim.id:4} only --full tests it")
            else:
                if whole is None:
                    say(f"{claim.id:4} {escape(claim.says)}")
                else:
                    progress.update(whole, description=f"{claim.id} {escape(claim.says[:50])}")
                try:
                    record = found[claim.id] = run.judge(claim)
                    result = colored(record["verdict"] or "done")
                    say(f"{claim.id:4} {result} [dim]({record['seconds']} s)[/]")
                except ModuleNotFoundError:  # the command says what to install
                    raise
                except Exception as error:  # whatever it is: the other claims go on
                    failed.add(claim.id)
                    say(f"[red]{claim.id} failed: {escape(why(error))}[/]")
                    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                        say(f"Nothing more can be written; {run.out} keeps what was finished.")
                        break
            if whole is not None:
                progress.advance(whole)
    return found, failed


def why(error: Exception) -> str:
    """Return an error in a line, with the place in the code where it came up."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"


def bars(progress: Progress, iterable: Iterable, what: str) -> Iterator:
    """Show a progress bar while something is iterated over."""
    task = progress.add_task(escape(what))
    try:
        yield from progress.track(iterable, task_id=task)
    finally:
        progress.remove_task(task)


def lines(say: Callable[[str], None], iterable: Iterable, what: str) -> Iterator:
    """Tell every `EVERY` seconds how far it is, for a log that shows no bars."""
    total = f" of {len(iterable)}" if isinstance(iterable, Collection) else ""
    began = last = time.monotonic()
    for done, item in enumerate(iterable):
        now = time.monotonic()
        if done and now >= last + EVERY:
            last = now
            say(f"     {escape(what)}: {done}{total}, {now - began:.0f} s")
        yield item


def show(
    console: Console,
    claims: Iterable[Claim],
    found: dict[str, Any],
    failed: Collection[str],
    committed: dict[str, Any],
) -> None:
    """Print the table of claims, then demonstrations and errata, at most `WIDTH` columns wide."""
    table = {}
    for claim in claims:
        record = found.get(claim.id)
        before = committed.get(claim.id, {})
        told = escape(before.get("ours") or "")
        if claim.id in failed:
            here = colored("failed")
        elif record:
            ours = escape(record["ours"] or record["measured"])
            here = f"{colored(record['verdict'])}\n{ours}" if record["verdict"] else ours
        else:
            here = "only --full" if claim.full_only else "not run"
        kept = colored(before.get("verdict"))
        if claim.kind != "claim":
            kept = told or "–"
        elif record is None and told:  # nothing measured here: the committed number instead
            kept = f"{kept}\n{told}"
        elif differs(claim, found, committed) and before:
            kept = f"≠ {kept}"
        rows = table.setdefault(claim.kind, [])
        rows.append((claim.id, escape(claim.says), here, kept))
    for kind, rows in table.items():
        grid = Table(box=box.SIMPLE_HEAD, width=min(WIDTH, console.width), padding=(0, 1, 0, 0))
        grid.title, grid.title_justify, grid.title_style = KINDS.get(kind), "left", "bold"
        grid.add_column("", min_width=4)
        grid.add_column("the claim" if kind == "claim" else "", ratio=33)
        grid.add_column("measured here", ratio=24)
        grid.add_column("committed", ratio=13)
        for row in rows:
            grid.add_row(*row)
        console.print(grid)


def summary(
    claims: Sequence[Claim],
    found: dict[str, Any],
    failed: Collection[str],
    committed: dict[str, Any],
) -> Iterator[str]:
    """Yield in a few lines how the verdicts measured here compare with the committed ones."""
    judged = [claim for claim in claims if claim.kind == "claim" and claim.id in found]
    known = [claim for claim in judged if committed.get(claim.id, {}).get("verdict")]
    other = [claim.id for claim in known if differs(claim, found, committed)]
    if known:
        differ = f"; ≠ {', '.join(other)}" if other else ""
        agree = len(known) - len(other)
        yield f"{agree} of {len(known)} verdicts agree with the committed ones{differ}."
    new = [claim.id for claim in judged if claim not in known]
    if new:
        yield f"No committed verdict yet: {', '.join(new)}."
    left = [c.id for c in claims if c.full_only and c.id not in found and c.id not in failed]
    if left:
        yield f"Only a full run tests {', '.join(left)}: --full."
    if failed:
        yield f"Failed: {', '.join(claim.id for claim in claims if claim.id in failed)}."


def differs(claim: Claim, found: dict[str, Any], committed: dict[str, Any]) -> bool:
    """Return whether a verdict was measured here that is not the committed one."""
    record = found.get(claim.id)
    if record is None or claim.kind != "claim":
        return False
    return record["verdict"] != committed.get(claim.id, {}).get("verdict")


def colored(verdict: str | None) -> str:
    """Return a verdict as markup; colour only repeats what the word says."""
    style = STYLE.get(verdict or "")
    return f"[{style}]{verdict}[/]" if style else verdict or "–"


def arguments(
    argv: list[str], claims: Sequence[Claim], commands: dict[str, Any]
) -> tuple[argparse.Namespace, Run | None, list[Claim], dict[str, Any]]:
    """Parse the command line; a wrong one ends the program with a message.

    Returns:
        The arguments, the run (None for ``--list``), the claims asked for, and the committed
        results by id.
    """
    purpose = "Re-test the paper's claims on this machine."
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=purpose)
    parser.epilog = f"also: {', '.join(commands)} (each has --help)" if commands else None
    scale, flag = parser.add_mutually_exclusive_group(), parser.add_argument
    long = {"full": "the long version, whose results are committed"}
    for name, text in (long | {"paper": "the paper's own setting, for a GPU"}).items():
        scale.add_argument(f"--{name}", action="store_const", const=name, dest="scale", help=text)
    parser.set_defaults(scale="default")
    flag("--claim", action="append", metavar="ID", help="only this claim (C5: C5a, C5b, …)")
    flag("--seed", type=int, default=0, help="the first seed (default: 0)")
    flag("--device", default="cpu", help="cpu (the default), cuda, mps, …")
    flag("--out", type=Path, help=f"folder for the results (default: lessons-results/{TOPIC})")
    flag("--data", type=Path, help="folder with data sets, which are then not downloaded")
    flag("--fresh", action="store_true", help="forget what an earlier run left in the folder")
    flag("--check", nargs="?", type=Path, const=COMMITTED, metavar="CLAIMS.JSON",
         help="fail where a verdict differs from the committed ones (or this file's)")  # fmt: skip
    flag("--list", action="store_true", help="list the claims and stop")
    args = parser.parse_args(argv)
    wanted = set()
    for id in args.claim or []:
        ids = {c.id for c in claims if re.fullmatch(f"{re.escape(id)}[a-z]*", c.id, re.IGNORECASE)}
        if not ids:
            parser.error(f"--claim: no claim {id!r}; there are {', '.join(c.id for c in claims)}")
        wanted |= ids
    chosen = [claim for claim in claims if not wanted or claim.id in wanted]
    if args.list:
        return args, None, chosen, {}
    if args.data and not args.data.is_dir():
        parser.error(f"--data: no such folder: {args.data}")
    try:
        committed = read_committed(args.check or COMMITTED, must=args.check is not None)
    except ValueError as error:
        parser.error(f"--check: {error}")
    suffix = "" if args.scale == "default" else f"-{args.scale}"
    out = args.out or Path("lessons-results") / f"{TOPIC}{suffix}"
    try:
        for name in ("claims.json", "trials.json") if args.fresh else ():
            (out / name).unlink(missing_ok=True)
        run = Run(out, args.scale, args.seed, args.device, args.data)
    except OSError as error:
        parser.error(f"--out: {out} cannot be written to: {error}")
    except (ValueError, RuntimeError, AssertionError) as error:  # the last two: no such device
        parser.error(str(error))
    return args, run, chosen, committed


def read_committed(path: Path, must: bool) -> dict[str, Any]:
    """Return committed results by id, from the package's own file or from a run's claims.json.

    Raises:
        ValueError: the file is broken, or is not there though it must be.
    """
    if not must and not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content.get("claims"), list):
            content = {record["id"]: record for record in content["claims"]}
        return {id: {"verdict": c["verdict"], "ours": c.get("ours")} for id, c in content.items()}
    except FileNotFoundError as error:
        raise ValueError(f"no such file: {path}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no claims ({type(error).__name__}: {error})") from error


def speak(stream: Any) -> None:
    """Let a stream whose encoding lacks a character write another instead of failing."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
    if encoding not in ("utf8", "utf16", "utf32") and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="lessons")


def substitute(error: UnicodeError) -> tuple[str, int]:
    """Return what is written in place of characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    words = []
    for letter in error.object[error.start : error.end]:
        name = unicodedata.name(letter, "?")
        greek = name.rpartition(" ")[2].lower() if name.startswith("GREEK") else "?"
        plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        words.append(ASCII.get(letter) or plain or greek)
    return "".join(words), error.end


codecs.register_error("lessons", substitute)
