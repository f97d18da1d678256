"""What is generated in a README: excerpts of the source, tables of the results, the topics.

A block stands between two comments, and `python -m lessons.papers sync` fills it in place:

    <!-- [[[cog excerpt("optimizer.py", "adam_reference") ]]] -->
    <!-- [[[end]]] -->
"""

import ast
import functools
import io
import json
import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

from cogapp import Cog
from cogapp.cogapp import CogError

from . import bibliography, topics

NOTHING_YET = "*Nothing has been measured yet.*"


def sync(path: Path, root: Path) -> bool:
    """Fill the blocks of a README; return whether that changed it."""
    old, new = path.read_text(encoding="utf-8"), render(path, root)
    if new == old:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(new, encoding="utf-8")
    os.replace(temporary, path)
    return True


def render(path: Path, root: Path) -> str:
    """Return a README's text with its blocks filled.

    Raises:
        ValueError: a block that cannot be filled, with the reason.
    """
    cog = Cog()
    cog.options.print_output = True
    old, new = io.StringIO(path.read_text(encoding="utf-8")), io.StringIO()
    try:
        cog.process_file(old, new, fname=str(path), globals=functions(path, root))
    except CogError as error:  # the last line of it says what is wrong
        raise ValueError(str(error).strip().splitlines()[-1]) from error
    return new.getvalue()


def functions(path: Path, root: Path) -> dict[str, Callable]:
    """Return what a block in this README may call."""
    package = path.parent
    if package == root:
        return {"topics_table": functools.partial(topics_table, root)}
    source = package / "src" / "lessons" / package.name.replace("-", "_")
    return {
        "excerpt": functools.partial(excerpt, source),
        "lines": functools.partial(lines, source),
        "claims_table": functools.partial(claims_table, package),
        "figure": functools.partial(figure, package),
    }


def excerpt(source: Path, file: str, *names: str, docstring: bool = False) -> None:
    """Print the code of functions, classes, methods (``Adam.step``) or constants of a file."""
    text = (source / file).read_text(encoding="utf-8")
    known = definitions(ast.parse(text))
    for name in names:
        if name not in known:
            raise ValueError(f"{file} has no {name}; it has {', '.join(known)}")
    parts = [code_of(known[name], text.splitlines(), docstring) for name in names]
    print_code("\n\n".join(parts))


def definitions(tree: ast.Module) -> dict[str, ast.stmt]:
    """Return what a module defines, by name; methods as ``Class.method``."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        if isinstance(node, ast.ClassDef):
            methods = [child for child in node.body if isinstance(child, ast.FunctionDef)]
            found |= {f"{node.name}.{method.name}": method for method in methods}
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def code_of(node: ast.stmt, code: list[str], docstring: bool) -> str:
    """Return a definition's lines, from its first decorator, without indentation."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    drop: set[int] = set()
    for child in () if docstring else ast.walk(node):
        documented = isinstance(child, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(child)
        if documented and len(child.body) > 1:
            last = child.body[0].end_lineno or child.body[0].lineno
            last += not code[last].strip()  # the blank line after it
            drop |= set(range(child.body[0].lineno, last + 1))
    kept = [code[n - 1] for n in range(first, (node.end_lineno or first) + 1) if n not in drop]
    return textwrap.dedent("\n".join(kept))


def lines(source: Path, file: str, start: str, end: str) -> None:
    """Print a file's lines from the first that contains ``start`` to the next with ``end``."""
    code = (source / file).read_text(encoding="utf-8").splitlines()
    first = next((n for n, line in enumerate(code) if start in line), None)
    if first is None:
        raise ValueError(f"{file} has no line with {start!r}")
    last = next((n for n, line in enumerate(code) if n >= first and end in line), None)
    if last is None:
        raise ValueError(f"{file} has no line with {end!r} after {start!r}")
    print_code(textwrap.dedent("\n".join(code[first : last + 1])))


def print_code(code: str) -> None:
    """Print a fenced block of Python."""
    print(f"\n```python\n{code}\n```\n")


def claims_table(package: Path) -> None:
    """Print the claims, what was measured and the verdicts, from ``results/claims.json``."""
    path = package / "results" / "claims.json"
    if not path.is_file():
        print(f"\n{NOTHING_YET}\n")
        return
    results = json.loads(path.read_text(encoding="utf-8"))
    rows = [("", "The paper says", "Measured here", "Verdict"), ("---",) * 4]
    for claim in results["claims"]:
        unseen = claim["verdict"] == "not seen at this scale"
        between = f" What stands between: {claim['between']}" if unseen else ""
        rows.append((
            claim["id"],
            escape(f"{claim['says']} ({claim['source']})"),
            escape(f"{claim['measured']} {sentence(claim['ran'])}{between}"),
            f"**{claim['verdict']}**",
        ))  # fmt: skip
    print_table(rows)
    module = package.name.replace("-", "_")
    scale, _, where = results["run"].partition(", ")
    command = f"python -m lessons.{module}{' --full' if scale == 'full' else ''}"
    # Claims share trials, so that their own durations would count some of them twice.
    trials = package / "results" / "trials.json"
    timed = json.loads(trials.read_text("utf-8"))["trials"].values() if trials.is_file() else ()
    seconds = sum(each["seconds"] for each in timed or results["claims"])
    spent = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
    machines = sorted({claim["machine"] for claim in results["claims"]})
    print(f"Measured by `{command}` ({where}) in {spent}: {'; '.join(machines)}.\n")


def sentence(text: str) -> str:
    """Return a description in parentheses, as it stands after a sentence."""
    return f"({text.rstrip('.')}.)" if text else ""


def figure(package: Path, id: str, alt: str) -> None:
    """Print the figure of a claim, with a text for those who cannot see it."""
    path = f"results/{id}.svg"
    if not (package / path).is_file():
        print(f"\n{NOTHING_YET}\n")
    else:
        print(f"\n![{alt}]({path})\n")


def topics_table(root: Path) -> None:
    """Print all topics, with what the package of each has."""
    records = bibliography.load(root)
    names = ("", "Topic", "Paper", "Year", "Constraint", "Claims that hold", "Size")
    rows, category = [names, ("---",) * len(names)], None
    for topic in topics.load(root).values():
        state = topics.state(root, topic)
        link = f"[{topic.title}](packages/{topic.slug}/README.md)"
        draft = topics.is_draft(root, topic)
        title = link if state and not draft else topic.title
        papers = [f"[{escape(records[key].title)}]({records[key].url})" for key in topic.papers]
        claims, size = "to come", ""
        if state:
            claims = f"{state.holds} of {state.claims}" if state.claims else "not yet measured"
            claims = "being written" if draft else claims
            size = f"{state.lines} lines, {state.tests} tests"
        head = f"**{topic.category}**" if topic.category != category else ""
        category = topic.category
        rows.append(
            (head, title, "; ".join(papers), str(topic.year), topic.constraint, claims, size)
        )
    print_table(rows)


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Print rows as a table."""
    print("\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")


def escape(text: str) -> str:
    """Return plain text as Markdown that reads the same in a table's cell."""
    return re.sub(r"([\\|*_<$`\[\]])", r"\\\1", " ".join(text.split()))
