"""The papers and the packages: ``python -m lessons.papers --help``."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from . import bibliography, claims, contract, readme, scaffold, topics
from .fetch import fetch_all
from .topics import Topic


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, or 1 if something is not as it should be."""
    args = arguments(argv)
    console = Console()
    try:
        root = topics.find_root()
        history, records = topics.load(root), bibliography.load(root)
        chosen = choose(root, history, args)
        return args.run(args, console, root, chosen, records)
    except (OSError, ValueError) as error:
        print(f"lessons.papers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What was finished is kept.", file=sys.stderr)
        return 130


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line; a wrong one ends the program with a message."""
    parser = argparse.ArgumentParser(prog="python -m lessons.papers", description=__doc__[:29])
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run, slugs: str, what: str) -> argparse.ArgumentParser:
        made = commands.add_parser(run.__name__.strip("_"), help=what, description=what)
        if slugs:
            made.add_argument("slugs", nargs=slugs, metavar="SLUG", help="a topic, such as adam")
        made.set_defaults(run=run, slugs=[], all=False)
        return made

    command(list_, "", "list the topics in the order of the history, with what there is of each")
    made = command(fetch, "*", "download the original papers, and check that they are these papers")
    made.add_argument("--all", action="store_true", help="the papers of all topics")
    made.add_argument("--out", type=Path, metavar="DIR", help="where to (default: papers/pdf)")
    for run, what in (
        (new, "make a package from the template and the bibliography"),
        (template, "copy the template's files into packages, again"),
    ):
        command(run, "+", what)
    command(check, "*", "check that packages (default: all) keep the contract")
    what = "fill READMEs, CLAIMS.md and committed.json from source and results (default: of all)"
    command(sync, "*", what)
    return parser.parse_args(argv)


def choose(root: Path, history: dict[str, Topic], args: argparse.Namespace) -> list[Topic]:
    """Return the topics that the command line names; all that have a package if it names none."""
    for slug in args.slugs:
        if slug not in history:
            near = difflib.get_close_matches(slug, history, n=1)
            hint = f"did you mean {near[0]}?" if near else "the command list shows them"
            raise ValueError(f"there is no topic {slug!r}; {hint}")
    if args.run is list_ or args.all:
        return list(history.values())
    if args.run is fetch and not args.slugs:
        raise ValueError("say which topics, or --all")
    there = [slug for slug in history if (root / "packages" / slug / "pyproject.toml").is_file()]
    if args.run in (check, sync, template):
        for slug in args.slugs:
            if slug not in there:
                raise ValueError(f"there is no packages/{slug} yet; the command new makes it")
    return [history[slug] for slug in args.slugs or there]


def list_(args, console: Console, root: Path, chosen: list[Topic], records) -> int:
    """List the topics."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("", "slug", "topic", "year", "hold", "tests", "lines"):
        numeric = heading in ("", "hold", "tests", "lines")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    for topic in chosen:
        state = topics.state(root, topic)
        row = [str(topic.order), topic.slug, topic.title, str(topic.year)]
        if state:
            claims = f"{state.holds} of {state.claims}" if state.claims else "to run"
            claims = "draft" if topics.is_draft(root, topic) else claims
            table.add_row(*row, claims, str(state.tests), str(state.lines))
        else:
            table.add_row(*row, "to come", style="dim")
    console.print(table)
    return 0


def fetch(args, console: Console, root: Path, chosen: list[Topic], records) -> int:
    """Fetch the topics' papers."""
    wanted = [records[key] for topic in chosen for key in topic.papers]
    return 1 if fetch_all(wanted, args.out or root / "papers" / "pdf", console) else 0


def new(args, console: Console, root: Path, chosen: list[Topic], records) -> int:
    """Make packages."""
    for topic in chosen:
        package = scaffold.new(root, topic, records)
        console.print(f"{package} is made; now: uv lock, and CONTRIBUTING.md", soft_wrap=True)
    return 0


def template(args, console: Console, root: Path, chosen: list[Topic], records) -> int:
    """Copy the template's files."""
    for topic in chosen:
        changed = scaffold.copy_template(root / "packages" / topic.slug, topic)
        console.print(f"{topic.slug}: {', '.join(changed) or 'nothing to do'}", soft_wrap=True)
    return 0


def check(args, console: Console, root: Path, chosen: list[Topic], records) -> int:
    """Print what does not keep the contract, a line each."""
    found = [] if args.slugs else bibliography.problems(records, topics.load(root))
    found += contract.check(root, chosen, records, everything=not args.slugs)
    for line in found:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    names = ", ".join(topic.slug for topic in chosen) or "no package"
    if not found:
        console.print(f"{names}: as agreed", markup=False, highlight=False)
    return 1 if found else 0


def sync(args, console: Console, root: Path, chosen: list[Topic], records) -> int:
    """Write what is generated of packages, and the table of the repository's README."""
    measured = [t for t in chosen if (root / "packages" / t.slug / "results/claims.json").is_file()]
    words, failed = claims.declared(root, measured), 0
    tasks: list[tuple[Path, Callable[[], str | None]]]
    tasks = [(root / "README.md", lambda: readme.render(root / "README.md", root))]
    for topic in chosen:
        package = root / "packages" / topic.slug
        files = readme.generated(package, root, topic, words.get(topic.module, []))
        tasks += [(package / name, text) for name, text in files.items()]
    for path, text in tasks:
        file = path.relative_to(root)
        try:
            new = text() if path.is_file() or path.name != "README.md" else None
            if new is None and path.is_file() and path.name != "README.md":
                path.unlink()  # of results that are gone
                console.print(f"{file}: removed", highlight=False, soft_wrap=True)
            elif new is not None and readme.write(path, new):
                console.print(f"{file}: filled", highlight=False, soft_wrap=True)
        except ValueError as error:
            failed = 1
            print(f"{file}: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
