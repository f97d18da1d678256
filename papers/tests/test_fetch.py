"""Fetching papers from servers that lie, stall, break off and ask for patience."""

import email.utils
import http.server
import io
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lessons.papers.bibliography import Record
from lessons.papers.fetch import FetchError, Patience, fetch_all, letters, retry_after, verify

QUICK = Patience(tries=3, wait=0.01, longest=5, stall=10, pause=0)
STALLED = replace(QUICK, stall=1)  # a busy machine lets an honest answer wait, too
TITLE = "Efficient Estimation of Word Representations in Vector Space"
FILLER = "Words are represented as vectors that are learned from very large data sets in time."


def pdf(*texts):
    """Return a PDF with one page for each text."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
    ]
    kids = []
    for text in texts:
        shown = "".join(f"({line}) Tj 0 -14 Td " for line in text.splitlines())
        stream = f"BT /F1 12 Tf 72 720 Td {shown}ET".encode("latin-1")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
        objects.append(f"{page}/Resources << /Font << /F1 3 0 R >> >> >>".encode())
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>".encode()
    out, offsets = io.BytesIO(b"%PDF-1.4\n"), []
    out.seek(0, io.SEEK_END)
    for number, content in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(
        b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    )
    return out.getvalue()


# As in old papers: a title broken over lines, in capitals, hyphenated.
PAPER = pdf(
    f"EFFICIENT ESTI-\nMATION OF WORD REPRESENTATIONS\nIN VECTOR SPACE\n{FILLER}", FILLER, FILLER
)
OTHER = pdf(
    f"Attention Is All You Need\n{FILLER}\n{FILLER}\n{FILLER}\n{FILLER}\nSee {TITLE}.",
    FILLER,
    FILLER,
)


class Server(http.server.ThreadingHTTPServer):
    """A server whose answers to each path are scripted, one request after the other."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts, self.requests, self.release = {}, [], threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, path, *answers):
        """Return the address of a path that answers so; the last one again and again."""
        self.scripts[f"/{path}"] = list(answers)
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request, client_address):
        """Say nothing when a client goes away."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requests.append((self.path, self.headers))
        script = self.server.scripts[self.path]
        answer = script.pop(0) if len(script) > 1 else script[0]
        answer(self)
        self.close_connection = True

    def log_message(self, *args):
        """Say nothing."""

    def start(self, status, length, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def whole(content, ranges=True, etag='"v1"', cut=None, then=None):
    """Answer with a file, or the range asked for; ``cut``: break off (or do ``then``) there."""

    def answer(handler):
        wanted = handler.headers.get("Range") if ranges else None
        if wanted and handler.headers.get("If-Range") not in (None, etag):
            wanted = None  # the file has changed
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(content):
            return handler.start(416, 0)
        headers = {"ETag": etag} if etag else {}
        if wanted:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.start(206 if wanted else 200, len(content) - start, **headers)
        handler.wfile.write(content[start:cut])
        handler.wfile.flush()
        if then:
            then(handler)
        return None

    return answer


def stall(handler):
    handler.server.release.wait(10)


def status(code, **headers):
    return lambda handler: handler.start(code, 0, **headers)


@pytest.fixture
def server(monkeypatch):
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def run(tmp_path):
    """Return a function that fetches papers into a folder and returns what failed and was said."""

    def run(*records, patience=QUICK):
        console = Console(file=io.StringIO(), width=200)
        failed = fetch_all(records, tmp_path / "pdf", console, patience)
        return failed, console.file.getvalue()

    return run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pdf"


def record(url, key="mikolov2013efficient", **fields):
    fields = {"author": "Tomas Mikolov", "title": TITLE, "year": "2013", "pagecount": "3", **fields}
    return Record(key, {**fields, "pdf": url, "url": "https://example.org/landing"})


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_paper_is_fetched_verified_and_not_fetched_again(server, run, folder):
    paper = record(server.address("a.pdf", whole(PAPER)))
    failed, said = run(paper)
    assert failed == 0, said
    assert "its title, 3 pages" in said
    assert left(folder) == ["mikolov2013efficient.pdf"]
    assert (folder / "mikolov2013efficient.pdf").read_bytes() == PAPER
    assert "lessons-papers" in server.requests[0][1]["User-Agent"]
    failed, said = run(paper)
    assert (failed, len(server.requests)) == (0, 1)
    assert "here already" in said


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "a web page, not a PDF"),
        (b"\x89PNG\r\n\x1a\n", "no PDF"),
        (PAPER[:700], "damaged"),
        (OTHER, "another paper"),
        (pdf(f"{TITLE}\n{FILLER}", FILLER), "another version of the paper: 2 pages, 3 expected"),
        (pdf("", "", "", ""), "a scan without text, of 4 pages, and the paper has 3"),
    ],
    ids=["html", "png", "damaged", "another paper", "another version", "scan of another length"],
)
def test_what_is_not_the_paper_is_refused_and_leaves_nothing(
    server, run, folder, content, complaint
):
    failed, said = run(record(server.address("a.pdf", whole(content))))
    assert failed == 1
    assert complaint in said
    assert left(folder) == []
    assert len(server.requests) == 1, "the same lie is not asked for again"


def test_a_scan_is_known_by_its_number_of_pages_which_is_said(tmp_path):
    path = tmp_path / "scan.pdf"
    path.write_bytes(pdf("", "", ""))
    assert "cannot be read" in verify(path, record(""))
    printed = {"title": TITLE, "pages": "318--320"}
    assert "3 pages as expected" in verify(path, Record("x", printed))
    with pytest.raises(FetchError, match="not known how many"):
        verify(path, Record("x", {"title": TITLE}))


def test_a_transfer_that_breaks_off_goes_on_where_it_was(server, run, folder):
    cuts = whole(PAPER, cut=300), whole(PAPER, cut=800), whole(PAPER)
    failed, said = run(record(server.address("a.pdf", *cuts)))
    assert failed == 0, said
    ranges = [headers.get("Range") for _, headers in server.requests]
    assert ranges == [None, "bytes=300-", "bytes=800-"]
    assert server.requests[1][1]["If-Range"] == '"v1"'
    assert (folder / "mikolov2013efficient.pdf").read_bytes() == PAPER


@pytest.mark.parametrize("second", [whole(PAPER, ranges=False), whole(PAPER, etag='"v2"')])
def test_a_server_that_ignores_ranges_or_has_a_new_version_starts_over(server, run, folder, second):
    failed, said = run(record(server.address("a.pdf", whole(b"x" * 900, cut=300), second)))
    assert failed == 0, said
    assert server.requests[1][1]["Range"] == "bytes=300-"
    assert (folder / "mikolov2013efficient.pdf").read_bytes() == PAPER


def test_without_a_version_to_compare_a_part_is_not_continued(server, run, folder):
    cut = whole(PAPER, etag=None, cut=300)
    failed, said = run(record(server.address("a.pdf", cut, whole(PAPER, etag=None))))
    assert failed == 0, said
    assert server.requests[1][1].get("Range") is None


def test_the_next_run_goes_on_with_the_part_of_the_last(server, run, folder):
    paper = record(server.address("a.pdf", whole(PAPER, cut=300)))
    failed, said = run(paper, patience=replace(QUICK, tries=1))
    assert failed == 1
    assert "the next run goes on" in said
    assert (folder / "mikolov2013efficient.pdf.part").stat().st_size == 300
    server.address("a.pdf", whole(PAPER))
    assert run(paper)[0] == 0
    assert server.requests[-1][1]["Range"] == "bytes=300-"
    assert left(folder) == ["mikolov2013efficient.pdf"]


def test_a_part_that_is_whole_already_is_no_trap(server, run, folder):
    folder.mkdir()
    (folder / "mikolov2013efficient.pdf.part").write_bytes(PAPER + b"and more")
    (folder / "mikolov2013efficient.pdf.tag").write_text('"v1"')
    assert run(record(server.address("a.pdf", whole(PAPER))))[0] == 0
    assert (folder / "mikolov2013efficient.pdf").read_bytes() == PAPER


def test_a_stalled_transfer_is_given_up_and_taken_up(server, run, folder):
    stalls = whole(PAPER, cut=300, then=stall)
    failed, said = run(record(server.address("a.pdf", stalls, whole(PAPER))), patience=STALLED)
    assert failed == 0, said
    assert server.requests[1][1]["Range"] == "bytes=300-"


def test_a_server_that_only_stalls_ends_in_an_error(server, run):
    began = time.monotonic()
    failed, said = run(record(server.address("a.pdf", stall)), patience=replace(STALLED, stall=0.1))
    assert failed == 1
    assert "3 tries" in said
    assert time.monotonic() - began < 25, "the server itself stalls for 30 s"


def test_server_errors_are_retried_and_retry_after_is_kept(server, run):
    answers = status(500), status(429, Retry_After="1"), whole(PAPER)
    began = time.monotonic()
    failed, said = run(record(server.address("a.pdf", *answers)))
    assert failed == 0, said
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("answer", "complaint", "requests"),
    [
        (status(404), "404 Not Found", 1),
        (status(403), "403 Forbidden", 1),
        (status(503), "503 Service Unavailable (3 tries", 3),
        (status(429, Retry_After="3600"), "asks to wait 3600 s", 1),
    ],
    ids=["404", "403", "503", "429 for an hour"],
)
def test_errors_name_the_status(server, run, answer, complaint, requests):
    failed, said = run(record(server.address("a.pdf", answer)))
    assert failed == 1
    assert complaint in said
    assert len(server.requests) == requests


def test_one_failure_does_not_stop_the_others_nor_touch_what_is_there(server, run, folder):
    first = record(server.address("a.pdf", whole(PAPER)), "first")
    missing = record(server.address("b.pdf", status(404)), "missing")
    last = record(server.address("c.pdf", whole(PAPER)), "last")
    assert run(first, missing, last)[0] == 1
    assert left(folder) == ["first.pdf", "last.pdf"]


def test_offline_is_an_error_that_says_so_and_tries_no_server_for_each_paper(run):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/a.pdf"
    failed, said = run(record(address, "first"), record(address, "second"))
    assert failed == 2
    assert "first: 127.0.0.1 cannot be reached; offline?" in said
    assert "second: not tried" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_stops_and_keeps_what_was_fetched(server, run, folder):
    first = record(server.address("a.pdf", whole(PAPER)), "first")
    assert run(first)[0] == 0
    (folder / "second.pdf.part").symlink_to("/dev/full")
    second = record(server.address("b.pdf", whole(PAPER)), "second")
    third = record(server.address("c.pdf", whole(PAPER)), "third")
    failed, said = run(first, second, third)
    assert failed == 1
    assert "No space left on device" in said
    assert "not tried" in said
    assert (folder / "first.pdf").read_bytes() == PAPER
    assert not (folder / "second.pdf").exists()
    assert all(path != "/c.pdf" for path, _ in server.requests)


def test_a_wrong_file_in_the_folder_is_replaced(server, run, folder):
    folder.mkdir()
    (folder / "mikolov2013efficient.pdf").write_bytes(OTHER)
    failed, said = run(record(server.address("a.pdf", whole(PAPER))))
    assert failed == 0
    assert "fetched anew" in said
    assert (folder / "mikolov2013efficient.pdf").read_bytes() == PAPER


def test_a_paper_without_a_free_copy_gives_its_page(run):
    failed, said = run(record(""))
    assert failed == 0
    assert "https://example.org/landing" in said


def test_letters_see_through_ligatures_accents_hyphens_and_capitals():
    assert letters("Deep Sparse Rectiﬁer\nNeu-\nral Nets") == letters(
        "DEEP SPARSE RECTIFIER NEURAL NETS"
    )
    assert letters("Léon") == "leon"


def endless(handler):
    """Send for ever, as fast as it is read."""
    handler.start(200, 10**15, ETag='"v1"')
    while not handler.server.release.is_set():
        handler.wfile.write(b"x" * 10_000)


def drip(handler):
    """Send a byte every few milliseconds, for ever."""
    handler.start(200, 10**6, ETag='"v1"')
    while not handler.server.release.wait(0.02):
        handler.wfile.write(b"%")
        handler.wfile.flush()


def test_an_endless_file_is_given_up_and_not_kept(server, run, folder):
    def unannounced(handler):
        handler.send_response(200)
        handler.end_headers()
        while not handler.server.release.is_set():
            handler.wfile.write(b"x" * 10_000)

    patience = replace(QUICK, largest=100_000)
    for answer in (endless, unannounced):
        failed, said = run(record(server.address("a.pdf", answer)), patience=patience)
        assert failed == 1
        assert "more than 100,000 bytes, which is no paper" in said
        assert left(folder) == []
    assert len(server.requests) == 2, "and is not asked for again"


def test_a_file_that_drips_is_given_up_after_a_while_and_gone_on_with(server, run, folder):
    paper = record(server.address("a.pdf", drip))
    failed, said = run(paper, patience=replace(QUICK, whole=1))
    assert failed == 1
    assert "not whole after 1 s (the next run goes on)" in said
    assert not (folder / "mikolov2013efficient.pdf").exists()


def test_a_version_that_no_request_can_name_is_done_without(server, run, folder):
    def odd(handler):
        handler.send_response_only(200)
        handler.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "v\xe9"\r\n')
        handler.wfile.write(b"Content-Length: %d\r\n\r\n" % len(PAPER))
        handler.wfile.write(PAPER[:300])

    first = record(server.address("a.pdf", odd, whole(PAPER)), "first")
    second = record(server.address("b.pdf", whole(PAPER)), "second")
    failed, said = run(first, second)
    assert failed == 0, said
    assert server.requests[1][1].get("Range") is None
    (folder / "third.pdf.part").write_bytes(PAPER[:300])
    (folder / "third.pdf.tag").write_bytes(b'"v\xe9"')  # as an earlier version left it
    assert run(record(server.address("c.pdf", whole(PAPER)), "third"))[0] == 0


def test_a_range_that_is_shorter_than_asked_for_is_not_the_end(server, run, folder):
    def short(handler):
        end = 800
        range_ = f"bytes 300-{end - 1}/{len(PAPER)}"
        handler.start(206, end - 300, ETag='"v1"', Content_Range=range_)
        handler.wfile.write(PAPER[300:end])

    answers = whole(PAPER, cut=300), short, whole(PAPER)
    failed, said = run(record(server.address("a.pdf", *answers)))
    assert failed == 0, said
    assert [h.get("Range") for _, h in server.requests] == [None, "bytes=300-", "bytes=800-"]
    assert (folder / "mikolov2013efficient.pdf").read_bytes() == PAPER


def test_two_fetches_into_one_folder_wait_for_each_other(server, run, folder):
    begun, go_on = threading.Event(), threading.Event()

    def slow(handler):
        begun.set()
        go_on.wait(10)
        whole(PAPER)(handler)

    paper, said = record(server.address("a.pdf", slow)), []
    first = threading.Thread(target=lambda: said.append(run(paper, patience=Patience(pause=0))))
    first.start()
    assert begun.wait(10)
    second = threading.Thread(target=lambda: said.append(run(paper, patience=Patience(pause=0))))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    for thread in (first, second):
        thread.join(10)
    assert [failed for failed, _ in said] == [0, 0]
    assert "another fetch is at work there" in said[1][1]
    assert "here already" in said[1][1]
    assert len(server.requests) == 1
    assert left(folder) == ["mikolov2013efficient.pdf"]


def test_a_folder_in_the_papers_place_is_told_and_the_others_are_fetched(server, run, folder):
    (folder / "first.pdf" / "mine").mkdir(parents=True)
    first = record(server.address("a.pdf", whole(PAPER)), "first")
    second = record(server.address("b.pdf", whole(PAPER)), "second")
    failed, said = run(first, second)
    assert failed == 1
    assert "first.pdf is in the way, which is no file" in said.replace("\n", "")
    assert left(folder) == ["first.pdf", "second.pdf"]


def test_retry_after_is_a_number_or_a_date():
    assert retry_after("7") == 7
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 50 < retry_after(later) <= 60
    assert retry_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0
    for odd in ("soon", "²", "٣", "-1", "", "Fri, 31 Dec 99999 23:59:59 GMT"):
        assert retry_after(odd) is None
