"""MNIST and Fashion-MNIST, from IDX files on this machine, else downloaded once.

The same wherever it is used: copied from the template under papers/, never edited in a package.
"""

import contextlib
import functools
import gzip
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

CHUNK, LIMIT = 1 << 16, 1 << 26  # bytes; the largest file has 26 million
TORCHVISION = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}  # its folders' names
MIRRORS = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist",
              "https://storage.googleapis.com/cvdf-datasets/mnist"),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                      "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"),
}  # fmt: skip
# SHA-256 of each file without its compression, since mirrors compress differently.
SHA256 = {
    "mnist": {
        "train-images-idx3": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}  # fmt: skip


def load(
    name: str = "mnist",
    split: str = "train",
    folder: str | os.PathLike | None = None,
    track: Callable[[Iterable, str], Iterable] = lambda iterable, what: iterable,
) -> tuple[Tensor, Tensor]:
    """Return images, uint8 (N, 28, 28), and labels, int64 (N,).

    Args:
        name: "mnist" or "fashion-mnist".
        split: "train" (60,000 images) or "test" (10,000).
        folder: looked into first, for the IDX files (gzipped or not, "-idx3" or ".idx3"), for a
            folder ``name`` or for torchvision's ("MNIST/raw", "FashionMNIST/raw").
        track: wraps a download's chunks to show progress (``run.track``).

    Raises:
        ValueError: an unknown name or split, or a file that is not the published one.
        OSError: a file is neither here nor to be downloaded; says where to put it.
    """
    for argument, got, known in (("name", name, SHA256), ("split", split, ("train", "test"))):
        if got not in known:
            raise ValueError(f"{argument} must be one of {', '.join(known)}, got {got!r}")
    arrays = []
    for stem, digest in SHA256[name].items():
        if stem.startswith("train") == (split == "train"):
            idx = find(name, f"{stem}-ubyte", digest, Path(folder) if folder else None, track)
            shape = np.frombuffer(idx, ">u4", count=idx[3], offset=4).astype(int)
            values = np.frombuffer(idx, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
            arrays.append(torch.from_numpy(values.copy()))
    return arrays[0], arrays[1].long()


def find(name, file, digest, folder, track) -> bytes:
    """Return a file's content from ``folder``, the user's cache or the first mirror that has it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons" / name
    raw = Path(TORCHVISION[name], "raw")
    places = [folder / name, folder / raw, folder, cache] if folder else [cache]
    if (content := look(name, file, digest, places)) is not None:
        return content
    failures = []
    with alone(cache):
        # Another process may have fetched it while this one waited.
        if (content := look(name, file, digest, [cache])) is not None:
            return content
        for mirror in MIRRORS[name]:
            try:
                return download(f"{mirror}/{file}.gz", cache / f"{file}.gz", digest, track)
            except (OSError, ValueError, http.client.HTTPException) as error:
                failures.append(f"{mirror}: {error}")
    put = f"put it, gzipped or not, into {cache}, or say --data FOLDER"
    raise OSError(f"{name}'s {file} is not here; {put}. Downloading failed: {'; '.join(failures)}")


def look(name: str, file: str, digest: str, places: list[Path]) -> bytes | None:
    """Return a file's content from the first place that has it, or None; a wrong one is an error.

    The two data sets' files have the same names: one of the other set is passed over.
    """
    others = {sha for other, files in SHA256.items() if other != name for sha in files.values()}
    dotted = file.replace("-idx", ".idx")
    for place in places:
        for path in (place / n for n in (file, f"{file}.gz", dotted, f"{dotted}.gz")):
            if path.is_file():
                content = decompress(path.read_bytes())
                if hashlib.sha256(content).hexdigest() not in others:
                    return verify(content, digest, str(path))
    return None


def decompress(content: bytes) -> bytes:
    """Return what a gzip file holds; anything else as it is."""
    with contextlib.suppress(OSError, EOFError, zlib.error):  # not gzip after all, or cut off
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return content


def verify(content: bytes, digest: str, where: str) -> bytes:
    """Return content; a ValueError says that it is not the published file's."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{where} is not the published file, whose SHA-256 unpacked is {digest}")
    return content


def download(url, path, digest, track) -> bytes:
    """Download a gzipped file, going on where an earlier attempt broke off; return its content."""
    # Mirrors compress differently: a part goes on from its own mirror alone.
    part = path.with_name(f"{path.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part")
    while True:
        have = part.stat().st_size if part.exists() else 0
        try:
            content = decompress(part.read_bytes()) if have else b""
            if hashlib.sha256(content).hexdigest() != digest:  # else only its renaming is missing
                fetch(url, part, have, track)
                content = verify(decompress(part.read_bytes()), digest, url)
        except (urllib.error.HTTPError, ValueError) as error:
            if getattr(error, "code", 416) != 416:  # the mirror is out of order: the part stays
                raise
            part.unlink(missing_ok=True)  # nothing follows it, or what follows does not fit
            if not have:
                raise
        else:
            os.replace(part, path)
            return content


def fetch(url, part, have, track) -> None:
    """Append to a part what is missing from byte ``have`` on, or write it anew.

    Raises:
        ValueError: the answer begins elsewhere, or is longer than any file of these.
        OSError: no answer, or one that broke off; what came is kept.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        have = have if answer.status == 206 else 0
        length = answer.headers["Content-Length"]
        whole = int(length) + have if length else None
        if answer.status == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers["Content-Range"] or "")
            if span and int(span[1]) != have:
                raise ValueError(f"{url} answers from byte {span[1]}, asked for {have}")
            whole = int(span[2]) if span and span[2] != "*" else whole
        pieces: Iterable = iter(functools.partial(answer.read, CHUNK), b"")
        with part.open("ab" if have else "wb") as file:
            # How many are to come is shown where it is known.
            steps = range(-(-(whole - have) // CHUNK)) if whole is not None else pieces
            for step in track(steps, f"downloading {part.name.partition('.')[0]}"):
                file.write(step if whole is None else answer.read(CHUNK))
                if file.tell() > LIMIT:
                    raise ValueError(f"{url} is longer than {LIMIT} bytes")
    if whole is not None and part.stat().st_size < whole:
        raise OSError("the connection broke off; the same command goes on from there")


@contextlib.contextmanager
def alone(folder: Path) -> Generator[None]:
    """Make a folder and hold it: of several processes, one downloads and the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: two at once may spoil each other's part, which is then refused
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
