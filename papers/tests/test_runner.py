"""The command of a package: what it runs, shows, keeps, and how it fails."""

import errno
import importlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

TEMPLATE = Path(__file__).parents[1] / "src" / "lessons" / "papers" / "template"
PATIENCE = 900  # seconds after which a process hangs: nothing waits for this on a busy machine
CLAIMS = '''
import os
import time
from pathlib import Path

import torch
from ..lab.claim import Finding, claim, demonstration, erratum
from ..lab.statistics import exact, interval, judge

events, really = 0, os.replace

def event():
    """Stop at one of the moments that the test may choose, until it lets go or kills."""
    global events
    events += 1
    if os.environ.get("HOLD") == str(events):
        Path("held").touch()
        while not Path("go").exists():
            time.sleep(0.01)

def replace(source, target):
    event()
    really(source, target)

if "HOLD" in os.environ:
    os.replace = replace

def draw_number(run, seed):
    for _ in run.track(range(4), f"seed {seed}"):
        event()
    return torch.rand(3).tolist()

def dots(figure, numbers):
    figure.subplots().plot(numbers["first"], numbers["second"], "o")

def experiment(id, first, **words):
    @claim(id, "§1", "Numbers [brackets] are drawn.", dots, **words)
    def numbers(run):
        drawn = [run.trial(draw_number, seed=seed) for seed in range(first, first + 4)]
        alone = torch.rand(2).tolist() + [float("inf")]
        judgement = judge(interval([d[0] for d in drawn]), above=-1, paper_regime=True)
        return Finding(judgement, "4 seeds", f"{drawn[0][0]:.2f}", {
            "first": drawn[0], "second": drawn[1], "alone": alone},
            ours=f"{judgement.interval.text(2)} points − β")
    return numbers

@claim("C3", "§2", "Only a long run tests this.", full_only=True)
def long(run):
    return Finding(exact(True), "all", "7", {}, ours="7 of 7")

@demonstration("D1", says="A task of our own is learned.")
def shown(run):
    return Finding(None, "it", "99%", {}, ours="99% right")

@erratum("E1", "eq. 15", says="The sum is 12.")
def slip(run):
    return Finding(None, "the sum", "12", {}, ours="12, printed is 13")

CLAIMS = [experiment("C2", 0), experiment("C10", 2), experiment("C1a", 4), long, shown, slip]
COMMANDS = {"hello": lambda argv: print("hello", *argv) or 3}
'''
# What a run asks of torch, for the processes that are started here: importing torch takes seconds.
TORCH = """
import contextlib
import random as chance
import types

__version__ = "0"

@contextlib.contextmanager
def fork_rng(devices):
    kept = chance.getstate()
    yield
    chance.setstate(kept)

random, manual_seed = types.SimpleNamespace(fork_rng=fork_rng), chance.seed

class Tensor:
    "What other libraries look for."

class Numbers(list):
    tolist = list.copy
    device = "cpu"

def rand(n):
    return Numbers(chance.random() for _ in range(n))

def empty(n, device):
    return Numbers()

def get_num_threads():
    return 1
"""
COMMITTED = {
    "C1a": {"verdict": "holds", "ours": "0.5 ± 0.1 points"},
    "C2": {"verdict": "undecided", "ours": "0.1 ± 0.3 points"},
    "C3": {"verdict": "refuted", "ours": "6 of 7"},
    "D1": {"verdict": None, "ours": "98% right"},
}
DEFAULT = ["C1a", "C2", "C10", "D1", "E1"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package, lessons.demo, made of the template's files alone, in the current folder."""
    package = tmp_path / "src" / "lessons" / "demo"
    shutil.copytree(TEMPLATE / "src", package)
    (package / "claims").mkdir()
    (package / "__init__.py").touch()
    (package / "claims" / "__init__.py").write_text(CLAIMS, encoding="utf-8")
    (package / "claims" / "committed.json").write_text(json.dumps(COMMITTED))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    monkeypatch.setenv("COLUMNS", "80")
    for variable in ("FORCE_COLOR", "HOLD", "PYTHONIOENCODING"):
        monkeypatch.delenv(variable, raising=False)
    yield package
    for name in [name for name in sys.modules if name.startswith("lessons.demo")]:
        del sys.modules[name]


@pytest.fixture
def command(package):
    """Return a function that runs the command in this process and returns its exit status."""

    def command(*args, **options):
        try:
            return importlib.import_module("lessons.demo.lab.runner").main(list(args), **options)
        except SystemExit as exit:
            return exit.code

    return command


def start(*args, **variables):
    """Start the command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    Path("stub").mkdir(exist_ok=True)
    Path("stub", "torch.py").write_text(TORCH)
    environment = os.environ | {"PYTHONPATH": f"stub{os.pathsep}src"} | variables
    return subprocess.Popen([sys.executable, "-m", "lessons.demo", *args], **pipes, env=environment)


def hold(*args, at):
    """Start the command and wait until it has come to event number ``at``."""
    process = start(*args, HOLD=str(at))
    while not Path("held").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    Path("held").unlink()
    return process


def numbers(path):
    return {r["id"]: r["numbers"] for r in json.loads(path.read_text("utf-8"))["claims"]}


# What it keeps


def test_a_run_killed_at_any_moment_ends_with_an_undisturbed_runs_numbers(package, tmp_path):
    assert start("--out", "undisturbed").wait(PATIENCE) == 0
    killed, chance = tmp_path / "killed", random.Random(0)
    for kind in (signal.SIGKILL, signal.SIGINT):
        process = hold("--out", "killed", at=chance.randint(6, 14))
        process.send_signal(kind)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
        assert kind != signal.SIGINT or "the same command goes on from there" in err
        for path in killed.glob("*.json"):
            json.loads(path.read_text("utf-8"))
    process = start("--out", "killed")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "trials; --fresh measures them anew" in out
    assert numbers(killed / "claims.json") == numbers(tmp_path / "undisturbed" / "claims.json")


def test_two_processes_with_different_claims_keep_all_records_of_one_folder(package, tmp_path):
    assert start("--out", "alone", "--claim", "C1a").wait(PATIENCE) == 0
    first = hold("--out", "both", "--claim", "C1a", at=7)  # with one trial on disk
    second = start("--out", "both", "--claim", "C10")
    _, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, err
    Path("go").touch()
    _, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, err
    together = numbers(tmp_path / "both" / "claims.json")
    assert list(together) == ["C1a", "C10"]
    assert together["C1a"] == numbers(tmp_path / "alone" / "claims.json")["C1a"]
    # C10 and C1a share the trials of seeds 4 and 5: 2 … 7 are six.
    assert len(json.loads((tmp_path / "both" / "trials.json").read_text())["trials"]) == 6


def test_a_claim_run_alone_has_the_same_numbers_and_the_order_is_natural(command, tmp_path):
    assert command("--out", "alone", "--claim", "C10") == 0
    alone = numbers(tmp_path / "alone" / "claims.json")
    assert command("--out", "alone") == 0
    together = numbers(tmp_path / "alone" / "claims.json")
    assert list(together) == DEFAULT
    assert together["C10"] == alone["C10"]
    assert together["C2"]["alone"][2] is None, "JSON knows no infinity"


@pytest.mark.parametrize(
    ("asked", "run"),
    [(["C1"], ["C1a"]), (["c2", "D1"], ["C2", "D1"]), (["C10"], ["C10"]), (["C1A"], ["C1a"])],
)
def test_a_claim_is_asked_for_by_its_id(command, tmp_path, asked, run):
    flags = [part for id in asked for part in ("--claim", id)]
    assert command("--out", "some", *flags) == 0
    assert list(numbers(tmp_path / "some" / "claims.json")) == run


def test_results_of_another_run_are_not_overwritten(command, tmp_path, capsys):
    assert command("--out", "kept", "--claim", "C2") == 0
    before = (tmp_path / "kept" / "claims.json").read_text("utf-8")
    for other in (["--seed", "1"], ["--full"], ["--paper"]):
        assert command("--out", "kept", *other) == 2
        assert "--fresh" in capsys.readouterr().err
    assert (tmp_path / "kept" / "claims.json").read_text("utf-8") == before
    assert command("--out", "kept", "--seed", "1", "--claim", "C2", "--fresh") == 0


def test_every_scale_has_a_folder_of_its_own(command, tmp_path):
    for flags in ([], ["--full"], ["--paper"]):
        assert command(*flags, "--claim", "D1") == 0
    found = {
        p.parent.name: json.loads(p.read_text())["run"] for p in tmp_path.glob("*/*/claims.json")
    }
    assert found == {
        "demo": "default, seed 0, cpu",
        "demo-full": "full, seed 0, cpu",
        "demo-paper": "paper, seed 0, cpu",
    }


# How it fails


@pytest.mark.parametrize("name", ["claims.json", "trials.json"])
@pytest.mark.parametrize(
    "content",
    ["", '{"run": "default, seed 0, cpu", "cla', "[]", "3", '{"run": "default, seed 0, cpu"}',
     '{"run": "default, seed 0, cpu", "claims": 1, "trials": [2]}', b"\xff\xfe\x00", None],
)  # fmt: skip
def test_a_broken_file_is_named_before_anything_is_measured(
    command, tmp_path, capsys, name, content
):
    path = tmp_path / "old" / name
    path.parent.mkdir()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert command("--out", "old", "--claim", "C2") == 2
    out, err = capsys.readouterr()
    assert str(Path("old") / name) in err
    assert "--fresh" in err
    assert out == ""
    if content is not None:
        assert command("--out", "old", "--claim", "C2", "--fresh") == 0


@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_a_folder_that_cannot_be_written_to_is_found_before_measuring(
    command, tmp_path, capsys, fresh
):
    (tmp_path / "file").touch()  # permissions would not stop root
    for out in ("file", "file/under"):
        assert command("--out", out, *fresh) == 2
        told = capsys.readouterr()
        assert f"--out: {out} cannot be written to" in told.err
        assert told.out == ""


@pytest.mark.parametrize("target", ["trials.json", "claims.json", "C2.svg"])
def test_a_full_disk_leaves_no_temporary_file_and_says_so(command, monkeypatch, capsys, target):
    write = Path.write_text

    def full(path, text, **options):
        if target in path.name:
            write(path, text[:10], **options)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert command("--out", "full", "--claim", "C2", "--claim", "C10") == 1
    out = capsys.readouterr().out
    assert "C2 failed: OSError" in out
    assert "Nothing more can be written" in out
    assert "has the numbers" not in out
    assert not [path for path in Path("full").iterdir() if path.name.startswith(".")]
    monkeypatch.undo()
    for path in Path("full").glob("*.json"):
        json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("fault", ["int('one half')", "1 / 0", "{}['loss']", "exit_of_nothing"])
def test_a_claim_that_fails_is_named_and_the_others_go_on(
    command, package, tmp_path, capsys, fault
):
    broken = CLAIMS.replace("alone = ", f"({fault}) if id == 'C2' else 0\n        alone = ")
    (package / "claims" / "__init__.py").write_text(broken, encoding="utf-8")
    assert command("--out", "broken") == 1
    out = capsys.readouterr().out
    assert re.search(r"C2 failed: \w+Error: .*\(__init__.py, line \d+\)", out)
    assert "Failed: C2." in out
    assert list(numbers(tmp_path / "broken" / "claims.json")) == [i for i in DEFAULT if i != "C2"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--claim", "C7"], "no claim 'C7'; there are C2, C10, C1a, C3, D1, E1"),
        (["--claim", "C"], "no claim 'C'"),
        (["--device", "quantum"], "quantum"),
        (["--check", "nowhere.json"], "no such file: nowhere.json"),
        (["--check", "src"], "src holds no claims"),
        (["--data", "nowhere"], "no such folder: nowhere"),
        (["--seed", "x"], "invalid int value: 'x'"),
        (["--full", "--paper"], "not allowed with"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(command, tmp_path, args, says, capsys):
    assert command(*args) == 2
    assert says in capsys.readouterr().err
    assert args[0] == "--device" or not (tmp_path / "lessons-results").exists()


def test_without_the_demo_extra_it_says_what_to_install(package, tmp_path):
    (tmp_path / "src" / "rich.py").write_text("raise ModuleNotFoundError('No', name='rich')")
    process = start()
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "rich is not installed" in err
    assert "lessons-demo[demo]" in err


def test_a_module_of_the_package_that_is_missing_is_not_a_matter_of_installing(package):
    (package / "lab" / "run.py").unlink()
    _, err = start().communicate(timeout=PATIENCE)
    assert "ModuleNotFoundError: No module named 'lessons.demo.lab.run'" in err
    assert "pip install" not in err


# What it shows


@pytest.mark.parametrize("args", [["--list"], ["--help"], ["--claim", "C2"], ["--claim", "C9"]])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_output_that_is_not_utf8_is_written_all_the_same(command, monkeypatch, args, encoding):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert command(*args) == (2 if "C9" in args else 0)
    written = b""
    for stream in streams:
        stream.flush()
        written += stream.buffer.getvalue()
    assert written.decode(encoding)


def test_a_minus_sign_survives_an_encoding_that_lacks_it(package):
    process = start("--claim", "C1a", "--out", "x", PYTHONIOENCODING="ascii")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert re.search(r"0\.\d\d \+- 0\.\d\d points\s+- beta", out)


def test_the_table_has_verdicts_measured_here_and_the_committed_ones_beside(command, capsys):
    assert command("--out", "first") == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    head = out.index("measured here")
    for id, here, beside in (("C1a", "holds", "holds"), ("C2", "holds", "≠ undecided"),
                             ("C10", "holds", "–"), ("C3", "only --full", "refuted")):  # fmt: skip
        row = next(line for line in out[head:].splitlines() if line.startswith(f" {id} "))
        assert re.fullmatch(rf"{id} +\S.*\S  +{here}  +{beside}", row.strip()), row
    assert re.search(r"points − β", out)
    assert "6 of 7" in out, "the committed number of what was not measured here"
    assert "7 of 7" not in out
    assert "Demonstrations: not in the paper" in out
    assert "Errata: slips in the paper's print" in out
    assert re.search(r"D1 .*99% right +98% right", out)
    assert "1 of 2 verdicts agree with the committed ones; ≠ C2." in out
    assert "No committed verdict yet: C10." in out
    assert "Only a full run tests C3: --full." in out


def test_no_verdict_is_shown_that_was_not_measured(command, package, capsys):
    (package / "claims" / "committed.json").unlink()
    assert command("--out", "none", "--claim", "C3") == 0
    out = capsys.readouterr().out
    assert not re.search("holds|refuted|undecided|not seen", out)
    assert "has the numbers" not in out
    assert command("--full", "--claim", "C3") == 0
    assert "7 of 7" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_is_never_wider_than_80_columns_or_the_terminal(command, width):
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=True, color_system=None)
    assert command("--out", "wide", "--claim", "C2", "--claim", "D1", console=console) == 0
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text.getvalue())
    table = shown[shown.index("measured") : shown.index("1 verdicts agree")]
    assert max(map(len, table.splitlines())) <= min(width, 80)


def test_a_log_tells_in_plain_lines_how_far_it_is(command, monkeypatch, capsys):
    monkeypatch.setattr(importlib.import_module("lessons.demo.lab.runner"), "EVERY", 0)
    assert command("--out", "plain", "--claim", "C2") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    lines = [line for line in out.splitlines() if not line.startswith(" plain")]
    assert lines[0] == "C2   Numbers [brackets] are drawn."
    assert re.fullmatch(r"     seed 0: 1 of 4, \d+ s", lines[1])
    assert re.match(r"C2   holds \(\d+\.\d s\)", lines[13])


def test_a_terminal_shows_bars(command):
    text = io.StringIO()
    console = Console(file=text, width=80, force_terminal=True, color_system="truecolor")
    assert command("--out", "bars", "--claim", "C2", console=console) == 0
    assert "━" in text.getvalue()
    assert "C2 Numbers [brackets]" in text.getvalue()


def test_listing_measures_and_writes_nothing(command, tmp_path, capsys):
    assert command("--list") == 0
    assert "C3   Only a long run tests this. §2" in capsys.readouterr().out
    assert not (tmp_path / "lessons-results").exists()


def test_check_tells_a_verdict_that_differs(command, tmp_path, capsys):
    assert command("--out", "first", "--check") == 1
    out = capsys.readouterr().out
    assert "C2 was 'undecided'" in out
    assert "C10 was 'missing'" in out
    claims = tmp_path / "first" / "claims.json"
    assert command("--out", "first", "--check", str(claims)) == 0
    other = tmp_path / "other.json"
    other.write_text(claims.read_text("utf-8").replace('"holds"', '"refuted"', 1), "utf-8")
    assert command("--out", "first", "--check", str(other)) == 1
    assert "C1a was 'refuted'" in capsys.readouterr().out


def test_check_without_a_shipped_file_says_so(command, package, capsys):
    (package / "claims" / "committed.json").unlink()
    assert command("--check") == 2
    assert "no such file" in capsys.readouterr().err


def test_a_package_may_have_commands_of_its_own(command, capsys):
    assert command("hello", "reader") == 3
    assert capsys.readouterr().out == "hello reader\n"
