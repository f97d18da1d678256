"""The reader of MNIST, against a server on this machine that also misbehaves."""

import gzip
import hashlib
import http.server
import importlib
import threading
from pathlib import Path

import numpy as np
import pytest

IMAGES = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
LABELS = np.array([7, 1], dtype=np.uint8)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """The reader, with two tiny published files and an empty cache."""
    reader = importlib.import_module("lessons.papers.template.src.lab.mnist")
    files = {"train-images-idx3": idx(IMAGES), "train-labels-idx1": idx(LABELS)}
    digests = {stem: hashlib.sha256(content).hexdigest() for stem, content in files.items()}
    monkeypatch.setattr(reader, "SHA256", {"mnist": digests})
    monkeypatch.setattr(reader, "CHUNK", 7)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    reader.files = {f"{stem}-ubyte": content for stem, content in files.items()}
    return reader


def mirror(mnist):
    """Return a mirror; its ``behave`` says how it answers, its ``level`` how it compresses."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            behave = self.server.behave
            self.server.ranges.append(self.headers.get("Range"))
            content = gzip.compress(mnist.files[Path(self.path).stem], self.server.level, mtime=0)
            if behave == "lies":
                content = gzip.compress(b"another file", mtime=0)
            if behave == "has nothing":
                self.send_error(404)
                return
            start = 0
            if self.headers.get("Range") and behave != "ignores ranges":
                start = int(self.headers["Range"][6:-1])
                if start >= len(content):
                    self.send_error(416)
                    return
                start -= 3 * (behave == "begins elsewhere")
                self.send_response(206)
                span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", span)
            else:
                self.send_response(200)
            if behave != "tells no length":
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = start + 10 if behave == "breaks off" else len(content)
            self.wfile.write(content[start:end])

        def log_message(self, *args):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.behave, made.level, made.ranges = "well", 9, []
    made.address = f"http://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


@pytest.fixture
def server(mnist, monkeypatch):
    with mirror(mnist) as made:
        monkeypatch.setattr(mnist, "MIRRORS", {"mnist": (made.address,)})
        yield made
        made.shutdown()


@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize("dot", [True, False])
def test_files_in_the_data_folder_are_read_as_they_are(mnist, tmp_path, place, gzipped, dot):
    folder = tmp_path / "data" / place
    folder.mkdir(parents=True)
    for name, content in mnist.files.items():
        name = name.replace("-idx", ".idx") if dot else name
        path = folder / (f"{name}.gz" if gzipped else name)
        path.write_bytes(gzip.compress(content) if gzipped else content)
    images, labels = mnist.load("mnist", "train", tmp_path / "data")
    assert np.array_equal(images, IMAGES)
    assert labels.tolist() == [7, 1]


def test_the_other_set_of_the_same_file_names_is_passed_over(mnist, tmp_path, monkeypatch):
    other = {stem: content[::-1] for stem, content in mnist.files.items()}
    digests = {
        stem.removesuffix("-ubyte"): hashlib.sha256(content).hexdigest()
        for stem, content in other.items()
    }
    monkeypatch.setattr(mnist, "SHA256", mnist.SHA256 | {"fashion-mnist": digests})
    (tmp_path / "cache" / "lessons" / "mnist").mkdir(parents=True)
    for name, content in mnist.files.items():
        (tmp_path / name).write_bytes(other[name])
        (tmp_path / "cache" / "lessons" / "mnist" / name).write_bytes(content)
    assert np.array_equal(mnist.load("mnist", "train", tmp_path)[0], IMAGES)


def test_torchvisions_folder_of_fashion_mnist_is_found(mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "SHA256", {"fashion-mnist": mnist.SHA256["mnist"]})
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in mnist.files.items():
        (folder / name).write_bytes(content)
    assert np.array_equal(mnist.load("fashion-mnist", "train", tmp_path)[0], IMAGES)


def test_a_download_is_kept_and_not_repeated(mnist, server):
    assert np.array_equal(mnist.load()[0], IMAGES)
    asked = len(server.ranges)
    assert np.array_equal(mnist.load()[0], IMAGES)
    assert len(server.ranges) == asked == 2


@pytest.mark.parametrize("afterwards", ["well", "ignores ranges", "begins elsewhere"])
def test_a_download_that_broke_off_goes_on(mnist, server, afterwards):
    server.behave = "breaks off"
    with pytest.raises(OSError, match="broke off"):
        mnist.load()
    server.behave = afterwards
    assert np.array_equal(mnist.load()[0], IMAGES)
    assert server.ranges[1] == "bytes=10-"


def parts(tmp_path):
    return sorted(path for path in (tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize("rest", [b"", b"and more"])
def test_a_part_that_is_complete_or_too_long_is_no_dead_end(mnist, server, tmp_path, rest):
    server.behave = "breaks off"
    with pytest.raises(OSError, match="broke off"):
        mnist.load()
    (part,) = parts(tmp_path)
    whole = gzip.compress(mnist.files["train-images-idx3-ubyte"], 9, mtime=0)
    part.write_bytes(whole + rest)
    server.behave, server.ranges[:] = "well", []
    assert np.array_equal(mnist.load()[0], IMAGES)
    # A complete one only waited for its name; one too long is answered 416, and fetched anew.
    assert server.ranges == ([f"bytes={len(whole + rest)}-", None, None] if rest else [None])
    assert not parts(tmp_path)


def test_a_second_mirror_never_goes_on_with_the_firsts_part(mnist, server, monkeypatch, tmp_path):
    with mirror(mnist) as second:
        second.level = 0
        addresses = (server.address, second.address)
        monkeypatch.setattr(mnist, "MIRRORS", {"mnist": addresses})
        server.behave = "breaks off"
        assert np.array_equal(mnist.load()[0], IMAGES)
        assert second.ranges == [None, None]
        second.shutdown()


def test_two_mirrors_that_break_off_in_turn_each_go_on_with_their_own(
    mnist, server, monkeypatch, tmp_path
):
    with mirror(mnist) as second:
        second.level = 0
        addresses = (server.address, second.address)
        monkeypatch.setattr(mnist, "MIRRORS", {"mnist": addresses})
        server.behave = second.behave = "breaks off"
        for _ in range(2):
            with pytest.raises(OSError, match=r"broke off.*broke off"):
                mnist.load()
        server.behave = "has nothing"  # a mirror out of order does not lose its part
        with pytest.raises(OSError, match=r"404.*broke off"):
            mnist.load()
        assert len(parts(tmp_path)) == 2
        second.behave = "well"
        assert np.array_equal(mnist.load()[0], IMAGES)
        assert second.ranges[:4] == [None, "bytes=10-", "bytes=20-", "bytes=30-"]
        second.shutdown()


def test_a_download_of_untold_length_is_read_to_its_end(mnist, server):
    server.behave = "tells no length"
    assert np.array_equal(mnist.load()[0], IMAGES)


def test_a_download_without_end_is_given_up(mnist, server, monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "LIMIT", 10)
    with pytest.raises(OSError, match="is longer than 10 bytes"):
        mnist.load()
    assert not parts(tmp_path)


def test_progress_counts_the_pieces(mnist, server):
    counted = []

    def track(iterable, what):
        counted.append((what, len(iterable)))
        return iterable

    mnist.load("mnist", "train", track=track)
    size = len(gzip.compress(mnist.files["train-images-idx3-ubyte"], 9, mtime=0))
    assert counted[0] == ("downloading train-images-idx3-ubyte", -(-size // 7))


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
