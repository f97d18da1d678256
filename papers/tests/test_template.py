"""What every package gets from the template: the runner, its files, the reader of MNIST."""

import gzip
import hashlib
import http.server
import importlib
import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

TEMPLATE = Path(__file__).parents[1] / "src" / "lessons" / "papers" / "template"
REPRODUCE = """
import time
import torch
from .claims import HOLDS, Finding, claim

def draw_number(run, seed):
    for _ in run.track(range(4), f"seed {seed}"):
        time.sleep(run.pick(test=0, default=0.05))
    return torch.rand(3).tolist()

def dots(figure, numbers):
    figure.subplots().plot(numbers["first"], numbers["second"], "o")

def experiment(id, first):
    @claim(id, "§1", "Numbers [brackets] are drawn.", dots)
    def numbers(run):
        drawn = [run.trial(draw_number, seed=seed) for seed in range(first, first + 4)]
        alone = torch.rand(2).tolist() + [float("inf")]
        return Finding(HOLDS, "4 seeds", f"{drawn[0][0]:.2f}", {
            "first": drawn[0], "second": drawn[1], "alone": alone})
    return numbers

CLAIMS = [experiment("C2", 0), experiment("C10", 2), experiment("C1a", 4)]
COMMANDS = {"hello": lambda argv: print("hello", *argv) or 3}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package, lessons.demo, made of the template's files alone, in the current folder."""
    package = tmp_path / "src" / "lessons" / "demo"
    shutil.copytree(TEMPLATE / "src", package)
    (package / "__init__.py").touch()
    (package / "reproduce.py").write_text(REPRODUCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    yield package
    for name in [name for name in sys.modules if name.startswith("lessons.demo")]:
        del sys.modules[name]


@pytest.fixture
def command(package):
    """Return a function that runs the command in this process and returns its exit status."""

    def command(*args):
        try:
            return importlib.import_module("lessons.demo.runner").main(list(args))
        except SystemExit as exit:
            return exit.code

    return command


def start(*args):
    """Start the command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "lessons.demo", *args], **pipes)


def numbers(path):
    return {r["id"]: r["numbers"] for r in json.loads(path.read_text())["claims"]}


def test_a_run_killed_at_random_moments_ends_with_an_undisturbed_runs_numbers(command, tmp_path):
    assert command("--out", "undisturbed") == 0
    killed, waits = tmp_path / "killed", random.Random(0)
    trials = killed / "trials.json"
    for kind in (signal.SIGKILL, signal.SIGINT):
        done = trials.stat().st_mtime_ns if trials.exists() else 0
        process, began = start("--out", "killed"), time.monotonic()
        # Until it has measured something: before that, torch is being imported.
        while not trials.exists() or trials.stat().st_mtime_ns == done:
            assert time.monotonic() < began + 60
            time.sleep(0.02)
        time.sleep(waits.uniform(0, 0.3))
        process.send_signal(kind)
        out, err = process.communicate(timeout=60)
        assert process.returncode != 0
        for path in killed.glob("*.json"):
            json.loads(path.read_text())
    process = start("--out", "killed")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "trials; --fresh measures them anew" in " ".join(out.split())
    assert "Numbers [brackets] are drawn." in " ".join(out.split())
    assert numbers(killed / "claims.json") == numbers(tmp_path / "undisturbed" / "claims.json")


def test_a_claim_run_alone_has_the_same_numbers_and_the_order_is_natural(command, tmp_path):
    assert command("--out", "alone", "--claim", "C10") == 0
    alone = numbers(tmp_path / "alone" / "claims.json")
    assert command("--out", "alone") == 0
    together = numbers(tmp_path / "alone" / "claims.json")
    assert list(together) == ["C1a", "C2", "C10"]
    assert together["C10"] == alone["C10"]
    assert together["C2"]["alone"][2] is None, "JSON knows no infinity"


def test_check_tells_a_verdict_that_differs(command, tmp_path, capsys):
    assert command("--out", "first") == 0
    claims = tmp_path / "first" / "claims.json"
    assert command("--out", "first", "--check", str(claims)) == 0
    other = tmp_path / "other.json"
    other.write_text(claims.read_text().replace('"holds"', '"refuted"', 1))
    assert command("--out", "first", "--check", str(other)) == 1
    assert "C1a was 'refuted'" in capsys.readouterr().out


def test_a_claim_that_fails_does_not_stop_the_others(command, package, tmp_path, capsys):
    broken = REPRODUCE.replace(
        "first, first + 4)]", "first, first + 4)]\n        1 / 0 if id == 'C2' else 0"
    )
    (package / "reproduce.py").write_text(broken.replace("1 / 0", "int('one half')"))
    assert command("--out", "broken") == 1
    assert "C2 failed: ValueError" in capsys.readouterr().out
    assert list(numbers(tmp_path / "broken" / "claims.json")) == ["C1a", "C10"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--claim", "C7"], "no claim 'C7'; there are C2, C10, C1a"),
        (["--device", "quantum"], "quantum"),
        (["--check", "nowhere.json"], "no such file: nowhere.json"),
        (["--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(command, args, says, capsys):
    assert command(*args) == 2
    assert says in capsys.readouterr().err


def test_results_of_another_run_are_not_overwritten(command, tmp_path, capsys):
    assert command("--out", "kept", "--claim", "C2") == 0
    before = (tmp_path / "kept" / "claims.json").read_text()
    assert command("--out", "kept", "--seed", "1") == 2
    assert "--fresh" in capsys.readouterr().err
    assert (tmp_path / "kept" / "claims.json").read_text() == before
    assert command("--out", "kept", "--seed", "1", "--claim", "C2", "--fresh") == 0


def test_a_package_may_have_commands_of_its_own(command, capsys):
    assert command("hello", "reader") == 3
    assert capsys.readouterr().out == "hello reader\n"


def test_without_the_demo_extra_it_says_what_to_install(package, tmp_path):
    (tmp_path / "src" / "rich.py").write_text("raise ModuleNotFoundError('No', name='rich')")
    process = start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "rich is not installed" in err
    assert "lessons-demo[demo]" in err


def test_a_finding_must_be_one_of_the_three_and_say_what_stands_between():
    claims = importlib.import_module("lessons.papers.template.src.claims")
    with pytest.raises(ValueError, match="verdict must be one of"):
        claims.Finding("true", "", "1", {})
    with pytest.raises(ValueError, match="between must say"):
        claims.Finding(claims.NOT_SEEN, "", "1", {})


def test_the_same_numbers_draw_the_same_bytes(tmp_path):
    figures = importlib.import_module("lessons.papers.template.src.figures")

    def draw(figure, numbers):
        axes = figure.subplots()
        axes.plot(numbers, label="a & b")
        axes.set(xlabel="step", ylabel="$x^2$ (m)")

    for name in ("a.svg", "b.svg"):
        figures.save_figure(tmp_path / name, draw, [1, 2, 4], "what <it> shows")
    svg = (tmp_path / "a.svg").read_text()
    assert svg == (tmp_path / "b.svg").read_text()
    assert "what &lt;it&gt; shows" in svg
    assert "step</text>" in svg
    assert "prefers-color-scheme:dark" in svg


# The reader of MNIST, against a server on this machine that also misbehaves.

IMAGES = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
LABELS = np.array([7, 1], dtype=np.uint8)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """The reader, with two tiny published files and an empty cache."""
    reader = importlib.import_module("lessons.papers.template.src.mnist")
    files = {"train-images-idx3": idx(IMAGES), "train-labels-idx1": idx(LABELS)}
    digests = {stem: hashlib.sha256(content).hexdigest() for stem, content in files.items()}
    monkeypatch.setattr(reader, "SHA256", {"mnist": digests})
    monkeypatch.setattr(reader, "CHUNK", 7)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    reader.files = {f"{stem}-ubyte": content for stem, content in files.items()}
    return reader


@pytest.fixture
def server(mnist, monkeypatch):
    """A mirror; ``server.behave`` says how it answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            behave = self.server.behave
            self.server.ranges.append(self.headers.get("Range"))
            content = gzip.compress(mnist.files[Path(self.path).stem], mtime=0)
            if behave == "lies":
                content = gzip.compress(b"another file", mtime=0)
            if behave == "has nothing":
                self.send_error(404)
                return
            start = 0
            if self.headers.get("Range") and behave != "ignores ranges":
                start = int(self.headers["Range"][6:-1])
                self.send_response(206)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + 20 if behave == "breaks off" else len(content)
            self.wfile.write(content[start:end])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as mirror:
        mirror.behave, mirror.ranges = "well", []
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{mirror.server_port}"
        monkeypatch.setattr(mnist, "MIRRORS", {"mnist": (address,)})
        yield mirror
        mirror.shutdown()


@pytest.mark.parametrize("place", ["", "mnist"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_files_in_the_data_folder_are_read_as_they_are(mnist, tmp_path, place, gzipped):
    folder = tmp_path / "data" / place
    folder.mkdir(parents=True)
    for name, content in mnist.files.items():
        path = folder / (f"{name}.gz" if gzipped else name)
        path.write_bytes(gzip.compress(content) if gzipped else content)
    images, labels = mnist.load("mnist", "train", tmp_path / "data")
    assert np.array_equal(images, IMAGES)
    assert labels.tolist() == [7, 1]


def test_a_download_is_kept_and_not_repeated(mnist, server):
    assert np.array_equal(mnist.load()[0], IMAGES)
    asked = len(server.ranges)
    assert np.array_equal(mnist.load()[0], IMAGES)
    assert len(server.ranges) == asked == 2


@pytest.mark.parametrize("afterwards", ["well", "ignores ranges"])
def test_a_download_that_broke_off_goes_on(mnist, server, afterwards):
    server.behave = "breaks off"
    with pytest.raises(OSError, match="broke off"):
        mnist.load()
    server.behave = afterwards
    assert np.array_equal(mnist.load()[0], IMAGES)
    assert server.ranges[1] == "bytes=20-"


def test_another_file_is_refused_and_not_kept(mnist, server, tmp_path):
    server.behave = "lies"
    with pytest.raises(OSError, match="not the published file"):
        mnist.load()
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))


def test_offline_it_says_what_to_put_where(mnist, server, tmp_path):
    server.behave = "has nothing"
    with pytest.raises(OSError, match="train-images-idx3-ubyte is not here; put it") as error:
        mnist.load()
    assert str(tmp_path / "cache") in str(error.value)
    assert "--data" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bbroken", gzip.compress(b"not it")])
def test_a_wrong_file_in_the_data_folder_is_an_error(mnist, tmp_path, content):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match="train-images-idx3-ubyte is not the published file"):
        mnist.load("mnist", "train", tmp_path)


@pytest.mark.parametrize(("name", "split"), [("mnits", "train"), ("mnist", "valid")])
def test_an_unknown_name_or_split_is_an_error(mnist, name, split):
    with pytest.raises(ValueError, match="must be one of"):
        mnist.load(name, split)
