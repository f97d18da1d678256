"""What is generated: blocks of the READMEs, CLAIMS.md, and what a wheel knows of the results.

A block stands between two comments, and `python -m lessons.papers sync` fills it in place:

    <!-- [[[cog excerpt("optimizer.py", "adam_reference") ]]] -->
    <!-- [[[end]]] -->
"""

import ast
import functools
import io
import os
import textwrap
from collections.abc import Callable
from pathlib import Path

from cogapp import Cog
from cogapp.cogapp import CogError

from . import bibliography, claims, topics
from .claims import NOTHING_YET, escape, table


def sync(path: Path, root: Path, words: list[dict] | str = "nobody asked for them") -> bool:
    """Fill the blocks of a README; return whether that changed it."""
    return write(path, render(path, root, words))


def generated(
    package: Path, root: Path, topic: topics.Topic, words: list[dict] | str
) -> dict[str, Callable[[], str | None]]:
    """Return what a package's generated files should have in them, by name; None: no such file.

    Each raises a ValueError, with the reason, if that cannot be told.
    """

    def page() -> str | None:
        if claims.results(package) is None:
            return None
        earlier = topics.awaits_judgement(root, topic)
        return claims.page(package, topic, claims.told(package, words), earlier)

    return {
        "README.md": lambda: render(package / "README.md", root, words),
        "CLAIMS.md": page,
        f"src/lessons/{topic.module}/claims/committed.json": lambda: claims.committed(package),
    }


def write(path: Path, text: str) -> bool:
    """Write a text so that no kill leaves half of it; return whether that changed the file."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return True


def render(path: Path, root: Path, words: list[dict] | str = "nobody asked for them") -> str:
    """Return a README's text with its blocks filled.

    Args:
        path: the README.
        root: the repository's root.
        words: the words of the package's claims, or why there are none (`claims.declared`).

    Raises:
        ValueError: a block that cannot be filled, with the reason.
    """
    cog = Cog()
    cog.options.print_output = True
    old, new = io.StringIO(path.read_text(encoding="utf-8")), io.StringIO()
    try:
        cog.process_file(old, new, fname=str(path), globals=functions(path, root, words))
    except CogError as error:  # the last line of it says what is wrong
        raise ValueError(str(error).strip().splitlines()[-1]) from error
    return new.getvalue()


def functions(path: Path, root: Path, words: list[dict] | str) -> dict[str, Callable]:
    """Return what a block in this README may call."""
    package = path.parent
    if package == root:
        return {"topics_table": functools.partial(topics_table, root)}
    source = package / "src" / "lessons" / package.name.replace("-", "_")
    anew = topics.marked(package, "rejudge")
    shown = {
        "claims_table": claims.earlier_table if anew else claims.claims_table,
        "demonstrations_table": claims.demonstrations_table,
        "errata_list": claims.errata_list,
    }
    return {
        "excerpt": functools.partial(excerpt, source),
        "lines": functools.partial(lines, source),
        "figure": functools.partial(figure, package),
        **{name: functools.partial(show, package, words, what) for name, what in shown.items()},
    }


def show(package: Path, words: list[dict] | str, what: Callable[[Path, list[dict]], str]) -> None:
    """Print what is to be shown of the claims and their results."""
    measured = (package / "results" / "claims.json").is_file()
    text = what(package, claims.told(package, words)) if measured else NOTHING_YET
    print(f"\n{text}\n")


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
    rows, category, earlier = [names, ("---",) * len(names)], None, False
    for topic in topics.load(root).values():
        state = topics.state(root, topic)
        link = f"[{topic.title}](packages/{topic.slug}/README.md)"
        draft, anew = topics.is_draft(root, topic), topics.awaits_judgement(root, topic)
        title = link if state else topic.title
        papers = [f"[{escape(records[key].title)}]({records[key].url})" for key in topic.papers]
        held, size = "to come", ""
        if state:
            held = f"{state.holds} of {state.claims}" if state.claims else "not yet measured"
            held = f"{held} †" if anew else held
            held = "being measured" if draft else held
            size = f"{state.lines} lines, {state.tests} tests"
            earlier |= anew and not draft
        head = f"**{topic.category}**" if topic.category != category else ""
        category = topic.category
        rows.append((head, title, "; ".join(papers), str(topic.year), topic.constraint, held, size))
    print(f"\n{table(rows)}\n")
    if earlier:
        print(f"† {claims.EARLIER}\n")
