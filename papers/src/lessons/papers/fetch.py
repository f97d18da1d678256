"""Fetch the original papers from their publishers, and make sure that they are those papers."""

import contextlib
import email.utils
import logging
import os
import re
import time
import unicodedata
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pypdf
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from .bibliography import Record

AGENT = "lessons-papers/0.1 (fetches single papers for their reader)"
AGAIN = {408, 425, 429, 500, 502, 503, 504}  # what may work a moment later
FIRST_PAGES = 3  # looked at; the first of them that has text has to have the title
TITLE_WITHIN = 250  # letters from the top of a page; further down it is a citation
SCAN = 100  # fewer letters than this: the page has no text layer


@dataclass(frozen=True)
class Patience:
    """How long to try, in seconds where it is a time."""

    tries: int = 5
    wait: float = 2.0  # after the first failure; doubles each time
    longest: float = 120.0  # a server that asks for more is not waited for
    stall: float = 30.0  # without a byte
    whole: float = 1800.0  # for all of a paper, however steadily it drips
    pause: float = 1.0  # between two papers
    largest: int = 300_000_000  # bytes; no paper is larger


class FetchError(Exception):
    """Why a paper could not be fetched, in words for the reader."""


class DiskError(FetchError):
    """Nothing can be written: there is no use in going on."""


class UnreachableError(FetchError):
    """The server cannot be reached: its other papers need not be tried."""


class AgainError(Exception):
    """What went wrong for the moment, and how long the server wants us to wait."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


def verify(path: Path, record: Record) -> str:
    """Return how a file shows that it is the paper.

    Raises:
        FetchError: it is no PDF, it is damaged, or it is another paper.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise FetchError(f"cannot be read: {error.strerror or error}") from error
    if b"%PDF-" not in head:
        page = any(mark in head.lower() for mark in (b"<html", b"<!doctype"))
        raise FetchError("what came is a web page, not a PDF" if page else "what came is no PDF")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # old PDFs have many small faults
    try:
        reader = pypdf.PdfReader(path)
        count = len(reader.pages)
        pages = [letters(page.extract_text()) for page in reader.pages[:FIRST_PAGES]]
    except Exception as error:  # a damaged file breaks a parser in any way
        raise FetchError(f"the PDF is damaged ({error})") from error
    has = f"{count} page{'s' * (count != 1)}"
    first = next((page for page in pages if len(page) >= SCAN), None)
    if first is None:
        expected = record.pages or record.printed_pages
        if expected != count:
            known = f"the paper has {expected}" if expected else "it is not known how many it has"
            raise FetchError(f"a scan without text, of {has}, and {known}")
        return f"{has} as expected; a scan, whose title cannot be read"
    if not 0 <= first.find(letters(record.title)) < TITLE_WITHIN:
        raise FetchError(f"another paper: “{record.title}” is not the title on its first page")
    if record.pages not in (None, count):
        raise FetchError(f"another version of the paper: {has}, {record.pages} expected")
    return f"its title, {has}"


def letters(text: str) -> str:
    """Return a text without spaces, hyphens, accents, ligatures and capitals."""
    return "".join(c for c in unicodedata.normalize("NFKD", text).casefold() if c.isalnum())


def fetch(
    record: Record,
    folder: Path,
    client: httpx.Client,
    patience: Patience,
    show: Callable[[int, int | None], None] = lambda done, total: None,
) -> str:
    """Download a paper to ``folder/<key>.pdf``, going on where an earlier attempt broke off.

    Args:
        record: the paper; it has a ``pdf``.
        folder: of the PDFs; made if missing. A file appears in it when it is whole and verified.
        client: the HTTP client.
        patience: how long to try.
        show: called with the bytes that are here and the bytes that there are, if known.

    Returns:
        How the file shows that it is the paper.

    Raises:
        FetchError: with the reason.
    """
    target, part = folder / f"{record.key}.pdf", folder / f"{record.key}.pdf.part"
    if target.exists() and not target.is_file():
        raise FetchError(f"{target} is in the way, which is no file")
    limits = Limits(time.monotonic() + patience.whole, patience)
    for attempt in range(1, patience.tries + 1):
        try:
            download(record.pdf, part, client, limits, show)
        except (AgainError, httpx.TransportError) as error:
            what = str(error) or type(error).__name__
            after = getattr(error, "after", None) or patience.wait * 2 ** (attempt - 1)
            if after > patience.longest:
                raise FetchError(f"{what}; the server asks to wait {after:.0f} s") from error
            if attempt > 1 and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                host = httpx.URL(record.pdf).host
                raise UnreachableError(f"{host} cannot be reached; offline? ({what})") from error
            if attempt == patience.tries:
                raise FetchError(f"{what} ({attempt} tries; the next run goes on)") from error
            time.sleep(after)
        except httpx.HTTPError as error:
            raise FetchError(str(error) or type(error).__name__) from error
        except OSError as error:
            raise DiskError(f"cannot write to {folder}: {error.strerror or error}") from error
        else:
            break
    try:
        how = verify(part, record)
        os.replace(part, target)
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        forget(part)
    return how


@dataclass(frozen=True)
class Limits:
    """Until when, by the monotonic clock, and how much is read of what a server sends."""

    until: float
    patience: Patience

    def check(self, have: int, part: Path) -> None:
        """Raise a FetchError if it is too much or too late; what is too much is not kept."""
        if have > self.patience.largest:
            forget(part)
            raise FetchError(f"more than {self.patience.largest:,} bytes, which is no paper")
        if time.monotonic() > self.until:
            raise FetchError(f"not whole after {self.patience.whole:.0f} s (the next run goes on)")


def download(url: str, part: Path, client: httpx.Client, limits: Limits, show: Callable) -> None:
    """Make ``part`` the whole of what is at the address."""
    part.parent.mkdir(parents=True, exist_ok=True)
    tag = part.with_suffix(".tag")  # of the version that the part is of
    version = sendable(tag.read_bytes().decode("latin-1")) if tag.exists() else ""
    have = part.stat().st_size if part.exists() and version else 0
    headers = {"Accept": "application/pdf", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as answer:
        status = f"{answer.status_code} {answer.reason_phrase}"
        if answer.status_code == 416:  # the part is whole already, or longer than the file
            forget(part)
            raise AgainError(status)
        if answer.status_code in AGAIN:
            raise AgainError(status, retry_after(answer.headers.get("Retry-After", "")))
        if not answer.is_success:
            raise FetchError(f"{status} at {url}")
        range_ = re.match(rf"bytes {have}-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if answer.status_code == 206 and not range_:
            forget(part)
            raise AgainError("the server sent another part than was asked for")
        if answer.status_code != 206:
            have = 0
            known = (sendable(answer.headers.get(name, "")) for name in ("ETag", "Last-Modified"))
            version = next((each for each in known if each and not each.startswith("W/")), "")
            tag.unlink(missing_ok=True)
            if version:
                tag.write_text(version, encoding="utf-8")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        if answer.status_code == 206 and range_ and range_[1] != "*":
            total = int(range_[1])
        limits.check(total or have, part)
        with part.open("ab" if have else "wb") as file:
            show(have, total)
            for chunk in answer.iter_bytes():
                have += file.write(chunk)
                limits.check(have, part)
                show(have, total)
    if total and have < total:  # a range that is shorter than what is missing
        raise AgainError(f"the server sent {have:,} bytes of {total:,}")


def sendable(version: str) -> str:
    """Return a version that a request may name; "" if no header can hold it."""
    return version if version.isascii() and version.isprintable() else ""


def forget(part: Path) -> None:
    """Remove a part and what is known of it."""
    for path in (part, part.with_suffix(".tag")):
        path.unlink(missing_ok=True)


def retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks for; it has a number or a date."""
    if re.fullmatch(r"\s*[0-9]+\s*", value):
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@contextlib.contextmanager
def alone(folder: Path, console: Console) -> Generator[None]:
    """Hold the folder: a second fetch into it waits, and then finds what the first has fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows: two fetches at once are not guarded
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(console, str(folder), "another fetch is at work there, and is waited for")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def fetch_all(
    records: Iterable[Record],
    folder: Path,
    console: Console,
    patience: Patience = Patience(),
) -> int:
    """Fetch papers one by one, say what became of each, and return how many failed."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    failed, asked, unreachable = 0, False, set()
    timeout = httpx.Timeout(patience.stall, connect=min(10, patience.stall))
    client = httpx.Client(headers={"User-Agent": AGENT}, timeout=timeout, follow_redirects=True)
    bars = Progress(*columns, console=console, transient=True)
    with alone(folder, console), client, bars:
        for record in records:
            target = folder / f"{record.key}.pdf"
            try:
                if target.is_file():
                    say(console, record.key, f"here already ({verify(target, record)})")
                    continue
            except FetchError as error:
                say(
                    console,
                    record.key,
                    f"[yellow]{target} is fetched anew: {escape(str(error))}[/]",
                )
            if not record.pdf:
                say(
                    console, record.key, f"no free PDF is known; its publisher's page: {record.url}"
                )
                continue
            host = httpx.URL(record.pdf).host
            if host in unreachable:
                failed += 1
                say(console, record.key, f"[red]not tried: {host} cannot be reached[/]")
                continue
            time.sleep(patience.pause if asked else 0)
            bar, asked = bars.add_task(record.key, total=None), True
            try:
                how = fetch(
                    record, folder, client, patience,
                    lambda done, total, bar=bar: bars.update(bar, completed=done, total=total),
                )  # fmt: skip
                say(console, record.key, f"[green]{target}[/] ({how})")
            except FetchError as error:
                failed += 1
                say(console, record.key, f"[red]{escape(str(error))}[/]")
                if isinstance(error, UnreachableError):
                    unreachable.add(host)
                if isinstance(error, DiskError):
                    console.print("[red]Stopped: the papers after it were not tried.[/]")
                    break
            finally:
                bars.remove_task(bar)
    return failed


def say(console: Console, key: str, what: str) -> None:
    """Print a line about a paper."""
    console.print(f"{key}: {what}", highlight=False, soft_wrap=True)
