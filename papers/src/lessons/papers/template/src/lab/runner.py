"""Re-test the paper's claims on this machine, show what was found, and keep it.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import argparse
import json
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from .. import claims as package
from .claim import Claim
from .run import Run

TOPIC = Path(__file__).parents[1].name.replace("_", "-")
COMMITTED = Path(__file__).parents[4] / "results" / "claims.json"
COLOR = {
    "holds": "green", "refuted": "magenta", "not seen at this scale": "yellow",
    "undecided": "yellow",
}  # fmt: skip


def main(argv: list[str], console: Console | None = None) -> int:
    """Run ``python -m lessons.<topic>``; return the exit status (0: the run completed)."""
    commands, console = getattr(package, "COMMANDS", {}), console or Console()
    if argv and argv[0] in commands:
        return commands[argv[0]](argv[1:])
    args, run, claims = arguments(argv, package.CLAIMS, commands)
    if args.list:
        for claim in claims:
            console.print(f"{claim.id:4} {escape(claim.says)} [dim]{escape(claim.source)}[/]")
        return 0
    if run.trials:
        old = sum(trial["code"] != run.code for trial in run.trials.values())
        note = f", {old} of them by other code than is here now" if old else ""
        console.print(f"{run.out} has {len(run.trials)} trials{note}; --fresh measures them anew.")
    table, failed = Table(box=box.SIMPLE_HEAD, show_lines=True), []
    for heading, ratio in (("", None), ("the paper says", 4), ("measured here", 5), ("verdict", 2)):
        table.add_column(heading, ratio=ratio)
    with Progress(console=console, transient=True) as bars:
        whole, part = bars.add_task("", total=len(claims)), bars.add_task("")

        def track(iterable, what):
            bars.update(part, description=what)
            return bars.track(iterable, task_id=part)

        run.track = track
        for claim in bars.track(claims, task_id=whole):
            bars.update(whole, description=f"{claim.id} {escape(claim.says[:60])}")
            try:
                record = run.judge(claim)
            except (ValueError, RuntimeError, OSError) as error:  # the other claims go on
                failed.append(claim.id)
                console.print(f"[red]{claim.id} failed: {type(error).__name__}: {error}[/]")
                continue
            verdict = f"[{COLOR[record['verdict']]}]{record['verdict']}[/]"
            console.print(f"{claim.id:4} {verdict} [dim]({record['seconds']} s)", highlight=False)
            says = f"{escape(claim.says)} [dim]{escape(claim.source)}[/]"
            table.add_row(claim.id, says, escape(record["measured"]), verdict)
    console.print(table)
    console.print(f"{run.out / 'claims.json'} has the numbers; the figures lie beside it.")
    committed = json.loads(args.check.read_text("utf-8"))["claims"] if args.check else []
    before = {record["id"]: record["verdict"] for record in committed}
    for claim in claims if args.check else ():
        if claim.id in run.records and run.records[claim.id]["verdict"] != before.get(claim.id):
            failed.append(claim.id)
            console.print(f"[red]{claim.id} was {before.get(claim.id)!r} in {args.check}[/]")
    return 1 if failed else 0


def arguments(argv, claims, commands) -> tuple[argparse.Namespace, Run, list[Claim]]:
    """Parse the command line; a wrong one ends the program with a message."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__.removesuffix('.lab')}", description=__doc__[:77]
    )
    parser.epilog = f"also: {', '.join(commands)} (each has --help)" if commands else None
    flag = parser.add_argument
    flag("--full", action="store_true", help="the long version, on the paper's own kind of data")
    flag("--claim", action="append", metavar="ID", help="only this claim (C5: C5a, C5b, …)")
    flag("--seed", type=int, default=0, help="the first seed (default: 0)")
    flag("--device", default="cpu", help="cpu (the default), cuda, mps, …")
    flag("--out", type=Path, help=f"folder for the results (default: lessons-results/{TOPIC})")
    flag("--data", type=Path, help="folder with data sets, which are then not downloaded")
    flag("--fresh", action="store_true", help="forget what an earlier run left in the folder")
    flag("--check", nargs="?", type=Path, const=COMMITTED, metavar="CLAIMS.JSON",
         help="fail where a verdict differs from the committed results")  # fmt: skip
    flag("--list", action="store_true", help="list the claims and stop")
    args = parser.parse_args(argv)
    for id in args.claim or []:
        if not any(c.id.startswith(id) for c in claims):
            parser.error(f"--claim: no claim {id!r}; there are {', '.join(c.id for c in claims)}")
    if args.check and not args.check.is_file():
        parser.error(f"--check: no such file: {args.check}")
    out = args.out or Path("lessons-results") / (f"{TOPIC}-full" if args.full else TOPIC)
    for name in ("claims.json", "trials.json") if args.fresh else ():
        (out / name).unlink(missing_ok=True)
    try:
        run = Run(out, "full" if args.full else "default", args.seed, args.device, args.data)
    except (ValueError, RuntimeError, AssertionError) as error:  # the last two: no such device
        parser.error(str(error))
    return args, run, [c for c in claims if not args.claim or c.id.startswith(tuple(args.claim))]
