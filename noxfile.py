"""Every task of this repository. `nox` runs what a contribution must pass; `nox -l` lists all."""

import contextlib
import fcntl
import itertools
import re
import shutil
import tomllib
from collections.abc import Generator
from pathlib import Path

import nox

try:
    from uv import find_uv_bin

    UV = find_uv_bin()
except ImportError:  # nox was installed without its uv extra
    UV = shutil.which("uv") or "uv"

ROOT = Path(__file__).parent
SLUGS = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
FOLDERS = {slug: f"packages/{slug}" for slug in SLUGS} | {"papers": "papers", "essays": "essays"}
# One thread, and none that spins: on a busy machine small operations took up to 100 times longer.
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONDONTWRITEBYTECODE": None}
ALL = ["--frozen", "--all-packages", "--all-extras", "--all-groups"]

nox.options.sessions = ["lint", "types", "contract", "tests"]
nox.options.default_venv_backend = "none"
nox.options.parallel = 2


def uv(session: nox.Session, *args: str, **kwargs) -> None:
    """Run uv, which is a dependency of nox[uv] and need not be on the path."""
    session.run(UV, *args, external=True, **kwargs)


def workspace(session: nox.Session, *command: str, **kwargs) -> None:
    """Run a command in the environment that has every package, as the lock file says."""
    uv(session, "run", "-q", *ALL, *command, env={"UV_LINK_MODE": "hardlink", **QUIET}, **kwargs)


def press(session: nox.Session, *command: str) -> None:
    """Run a module of the press, whose environment needs no torch."""
    only = ["run", "-q", "--frozen", "--package", "lessons-essays"]
    uv(session, *only, "python", "-m", *command, env={"UV_LINK_MODE": "hardlink", **QUIET})


@contextlib.contextmanager
def lane() -> Generator[Path]:
    """Lend an environment that no other running session uses.

    It is kept, so that torch is compiled to bytecode once, and made to hold exactly one package.
    """
    for n in itertools.count():
        path = ROOT / ".nox" / f"lane-{n}"
        path.parent.mkdir(exist_ok=True)
        with open(f"{path}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield path
            return


@nox.session(allow_parallel=True)
@nox.parametrize("slug", list(FOLDERS), ids=list(FOLDERS))
def tests(session: nox.Session, slug: str) -> None:
    """Test one package's wheel in an environment of exactly what it declares.

    The essays may import every package, and print the whole repository: they get all of it.
    """
    if slug == "essays":
        workspace(session, "pytest", "-q", "essays/tests", *session.posargs)
        return
    folder = FOLDERS[slug]
    with lane() as path:
        constraints = path.parent / f"{path.name}.txt"
        export = ["--all-packages", "--all-extras", "--all-groups", "--no-emit-workspace"]
        uv(session, "export", "-q", "--frozen", *export, "--no-hashes", "-o", str(constraints))
        uv(session, "venv", "-q", "--allow-existing", str(path))
        uv(session, "build", "-q", "--wheel", "--clear", "-o", str(path / "dist"), folder)
        (wheel,) = (path / "dist").glob("*.whl")
        install = ["--exact", "--reinstall-package", f"lessons-{slug}", "-c", str(constraints)]
        what = f"lessons-{slug}[test] @ {wheel.as_uri()}"
        uv(session, "pip", "install", "-q", "--python", str(path), *install, what)
        python = path / "bin" / "python"
        pytest = [str(python), "-m", "pytest", "-q", f"{folder}/tests", *session.posargs]
        session.run(*pytest, env=QUIET, external=True)


@nox.session
def quick(session: nox.Session) -> None:
    """Test all packages in one environment, in parallel: for daily work."""
    workspace(session, "pytest", "-q", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling, and that the lock file resolves for anyone."""
    workspace(session, "ruff", "check", ".")
    workspace(session, "ruff", "format", "--check", ".")
    workspace(session, "codespell", *session.posargs)
    uv(session, "lock", "--check", "-q", env={"UV_INDEX": None, "UV_DEFAULT_INDEX": None})
    text = (ROOT / "uv.lock").read_text()
    public = ("https://pypi.org/simple", "https://files.pythonhosted.org/")
    found = re.findall(r'(?:registry|url) = "([^"]+)"', text)
    foreign = sorted({address for address in found if not address.startswith(public)})
    foreign += re.findall(r'^.*\bpath = ".*$', text, flags=re.M)
    if foreign:
        session.error(f"uv.lock does not resolve for everyone: {foreign[:5]}")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    folders = ["packages", "papers", "essays", "noxfile.py"]
    workspace(session, "ty", "check", *(session.posargs or folders))


@nox.session
def contract(session: nox.Session) -> None:
    """Check that every package keeps the contract: files, rooms, headings, claims, numbers."""
    workspace(session, "python", "-m", "lessons.papers", "check", *session.posargs)


@nox.session
def book(session: nox.Session) -> None:
    """Build dist/book.pdf and the site in site/, and show it: nox -s book [-- serve]."""
    press(session, "lessons.essays.typeset", "--book")
    press(session, "lessons.essays.site")
    if "serve" in session.posargs:
        session.log("http://127.0.0.1:8000/ (Ctrl-C ends it)")
        press(session, "http.server", "-b", "127.0.0.1", "-d", "site", "8000")


@nox.session
def papers(session: nox.Session) -> None:
    """Typeset packages as papers: nox -s papers -- adam, or -- --all."""
    press(session, "lessons.essays.typeset", *session.posargs)


@nox.session
def reproduce(session: nox.Session) -> None:
    """Re-test a paper's claims: nox -s reproduce -- adam [--full …]; a full run is kept."""
    if not session.posargs or session.posargs[0] not in SLUGS:
        session.error(f"say which: nox -s reproduce -- SLUG [--full …], SLUG of {', '.join(SLUGS)}")
    slug, *flags = session.posargs
    if "--full" in flags and "--out" not in flags:  # what is committed comes from full runs
        flags += ["--out", f"packages/{slug}/results"]
    module = tomllib.loads((ROOT / "packages" / slug / "pyproject.toml").read_text())
    module = module["tool"]["uv"]["build-backend"]["module-name"]
    environment = {"OMP_WAIT_POLICY": "PASSIVE"}
    uv(session, "run", "-q", *ALL, "python", "-m", module, *flags, env=environment)


@nox.session
def picture(session: nox.Session) -> None:
    """Draw the table of a real default run for the README: nox -s picture -- transformer."""
    slug = session.posargs[0] if session.posargs else "transformer"
    module = slug.replace("-", "_")
    code = f"""
import io, json, pathlib, re, sys, xml.etree.ElementTree, rich.console
from lessons.{module} import claims
from lessons.{module}.lab import runner
out = pathlib.Path({session.create_tmp()!r})
if runner.main(["--out", str(out), "--fresh"]):
    sys.exit("a claim failed: no picture")
found = {{r["id"]: r for r in json.loads((out / "claims.json").read_text("utf-8"))["claims"]}}
# The table alone: neither the progress before it nor the folder's name after it.
console = rich.console.Console(
    record=True, width=80, color_system="truecolor", file=io.StringIO(), highlight=False
)
committed = runner.read_committed(runner.COMMITTED, must=False)
console.print("[bold]$ python -m lessons.{module}[/]")
runner.show(console, claims.CLAIMS, found, (), committed)
for line in runner.summary(claims.CLAIMS, found, (), committed):
    console.print(line)
svg = console.export_svg(title="lessons.{module}")
svg = re.sub(r"@font-face {{[^}}]*}}", "", svg)  # it would fetch a font from another host
xml.etree.ElementTree.fromstring(svg)  # browsers show an empty box where it is not well-formed
pathlib.Path("packages/{slug}/results/run.svg").write_text(svg, encoding="utf-8")
"""
    uv(session, "run", "-q", *ALL, "python", "-c", code, env={"OMP_WAIT_POLICY": "PASSIVE"})


@nox.session
def floor(session: nox.Session) -> None:
    """Test packages with the oldest of all that they declare: nox -s floor -- adam (all: none)."""
    for slug in session.posargs or SLUGS:
        path, folder = ROOT / ".nox" / "floor", FOLDERS[slug]
        path.parent.mkdir(exist_ok=True)
        oldest = f"{path}.txt"
        direct = ["--extra", "test", "--resolution", "lowest-direct", "--python-version", "3.11"]
        # pytest alone is current: it is no package's matter, and the settings here ask for it.
        Path(f"{path}.in").write_text("pytest>=9\n")
        uv(session, "pip", "compile", "-q", f"{folder}/pyproject.toml", *direct, "-o", oldest,
           "-c", f"{path}.in", "--no-emit-package", f"lessons-{slug}")  # fmt: skip
        uv(session, "venv", "-q", "--allow-existing", "--python", "3.11", str(path))
        uv(session, "build", "-q", "--wheel", "--clear", "-o", str(path / "dist"), folder)
        (wheel,) = (path / "dist").glob("*.whl")
        uv(session, "pip", "sync", "-q", "--python", str(path), oldest)
        uv(session, "pip", "install", "-q", "--python", str(path), "--no-deps", str(wheel))
        pytest = [str(path / "bin" / "python"), "-m", "pytest", "-q", f"{folder}/tests"]
        session.run(*pytest, env=QUIET, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed beside the best peer: nox -s bench -- adam (all that have benchmarks: none)."""
    for slug in session.posargs or SLUGS:
        for script in sorted((ROOT / "packages" / slug / "benchmarks").glob("*.py")):
            workspace(session, "python", str(script))


@nox.session
def build(session: nox.Session) -> None:
    """Build every wheel and source distribution, and check them as the package index would."""
    uv(session, "build", "-q", "--all-packages", "--clear", "-o", "dist")
    built = sorted(str(path) for path in (ROOT / "dist").glob("lessons_*"))
    workspace(session, "twine", "check", "--strict", *built)
    session.log(f"{len(built)} distributions in dist/")
