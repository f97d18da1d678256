"""What a package imports, read from its source: no sibling, nothing that it does not declare."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

RUNTIME = ("einops", "numpy", "safetensors", "torch")  # what any package may need to run
MODULES = {"sklearn": "scikit-learn", "PIL": "pillow"}  # whose distribution has another name


def names(requirements: list[str]) -> set[str]:
    """Return the distributions that requirements name, in the one spelling of each."""
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {match[0].lower().replace("_", "-") for match in found if match}


def problems(package: Path, module: str, project: dict) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for a package's imports."""
    source = package / "src" / "lessons" / module
    extras = project.get("optional-dependencies", {})
    runtime = names(project.get("dependencies", []))
    demo = runtime | names(extras.get("demo", []))
    test = demo | names(extras.get("test", []))
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"), str(path))
        for folder in (source, package / "tests", package / "benchmarks")
        for path in sorted(folder.rglob("*.py"))
    }
    plain = reached(source, trees)
    for path, tree in trees.items():
        file = str(path.relative_to(package))
        for node, top in imported(tree):
            found = set()
            for name in modules(node):
                first, _, rest = name.partition(".")
                if first == "lessons":
                    if rest.split(".")[0] != module:
                        yield file, f"line {node.lineno} imports a sibling, {name}"
                elif first not in sys.stdlib_module_names:
                    found.add(MODULES.get(first, first).lower().replace("_", "-"))
            inside = source in path.parents
            local = {other.stem for other in path.parent.glob("*.py")} if not inside else set()
            for name in sorted(found - local - {"conftest"}):
                if path in plain and top and name not in runtime:
                    yield (
                        file,
                        (
                            f"line {node.lineno} imports {name}, which is no runtime dependency, "
                            f"and importing lessons.{module} reaches this line"
                        ),
                    )
                elif name not in (demo if inside else test):
                    where = "dependencies or extra demo" if inside else "extra test"
                    yield file, f"line {node.lineno} imports {name}, which the {where} must declare"


def imported(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield the imports of a module, and whether each runs when the module is imported."""
    later = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, id(node) not in later


def modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the absolute names of the modules that a line imports; [] if it is relative."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.module == "lessons":
        return [f"lessons.{alias.name}" for alias in node.names]
    return [node.module] if node.module and not node.level else []


def reached(source: Path, trees: dict[Path, ast.Module]) -> set[Path]:
    """Return the files that importing the package runs."""
    found, todo = set(), [source / "__init__.py"]
    while todo:
        path = todo.pop()
        if path in found or path not in trees:
            continue
        found.add(path)
        for node, top in imported(trees[path]):
            if top and isinstance(node, ast.ImportFrom):
                folder = path.parents[node.level - 1] if node.level else source
                inner = (node.module or "").removeprefix(f"lessons.{source.name}").strip(".")
                base = folder.joinpath(*inner.split(".")) if inner else folder
                if node.level or (node.module or "").startswith(f"lessons.{source.name}"):
                    todo += [base.with_suffix(".py"), base / "__init__.py"]
                    todo += [base / f"{alias.name}.py" for alias in node.names]
    return found
