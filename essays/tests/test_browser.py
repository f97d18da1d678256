"""The real site in a real browser: Chromium, driven by Playwright, on a server under a sub-path."""

import functools
import http.server
import os
import re
import shutil
import threading
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from lessons.essays import maths, site
from lessons.papers import topics

ROOT = topics.find_root(Path(__file__).parent)
NAMES = (
    "chromium",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
HOW = "no Chromium: apt-get install chromium, or name one in the environment variable CHROMIUM"
KINDS = {  # a page of each kind
    "home": "index.html",
    "contents": "essays/index.html",
    "essay": "essays/introduction.html",
    "explanation": "residuals/index.html",
    "claims in full": "residuals/claims.html",
    "source": "residuals/source.html",
    "experiments": "residuals/experiments.html",
    "claims": "claims.html",
    "notation": "notation.html",
    "bibliography": "bibliography.html",
}
WIDTHS = (1280, 390)
expect.set_options(timeout=60_000)  # of a machine that has more to do


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("www") / "sub" / "lessons"
    site.build(ROOT, folder)
    return folder


@pytest.fixture(scope="session")
def address(folder):
    handler = functools.partial(Quiet, directory=folder.parent.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/sub/lessons/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    assert CHROMIUM, HOW
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(browser, address):
    """A page that remembers what went wrong; ``tab.look(url, …)`` opens one more."""
    contexts = []

    def look(url, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.wrong = []
        page.on("console", lambda m: page.wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("request", lambda r: page.wrong.append(r.url) if not own(r.url) else None)
        page.goto(url if "://" in url else address + url)
        return page

    def own(url):
        return url.startswith((address, "data:", "file:"))

    yield look
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_page_loads_whole_and_fits(tab, kind, width):
    page = tab(KINDS[kind], width)
    page.evaluate("document.fonts.ready.then(() => null)")
    sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1], f"it scrolls sideways: {sizes}"
    assert page.evaluate("document.fonts.check('16px \"STIX Two Text\"')")
    assert not page.wrong


def test_every_page_of_a_topic_fits_a_phone(tab, folder):
    page = tab("index.html", 390)
    for path in sorted(folder.glob("*/*.html")):
        page.goto(urljoin(page.url, "/sub/lessons/") + path.relative_to(folder).as_posix())
        sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert sizes[0] <= sizes[1], f"{path} scrolls sideways: {sizes}"
    assert not page.wrong


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_violation(tab, kind, theme):
    page = tab(KINDS[kind], color_scheme=theme)
    page.add_script_tag(path=maths.modules() / "axe-core" / "axe.min.js")
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    assert [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in found] == []


def test_axe_finds_no_violation_on_a_phone(tab):
    for kind in ("home", "claims", "source"):
        page = tab(KINDS[kind], 390)
        page.add_script_tag(path=maths.modules() / "axe-core" / "axe.min.js")
        found = page.evaluate("axe.run().then(({ violations }) => violations)")
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []


def test_search_finds_what_a_package_teaches(tab, address):
    page = tab("notation.html")
    page.keyboard.press("/")
    page.keyboard.type("internal covariate shift")
    first = page.locator("#found li").first
    expect(first).to_contain_text("Batch normalization")
    first.locator("a").click()
    assert page.url.startswith(f"{address}batch-norm/")
    assert not page.wrong


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("relu vs rectifier", "ectif"),
        ("why is the internal covariate shift", "Batch normalization"),
        ("rectifier qwertyuiop", "ectif"),
    ],
)
def test_search_forgives_idle_words_and_words_that_are_nowhere(tab, query, found):
    page = tab("index.html")
    page.locator("#search").fill(query)
    expect(page.locator("#found li").first).to_contain_text(found)
    assert not page.wrong


def test_search_closes(tab):
    page = tab("index.html")
    page.locator("#search").fill("residual")
    expect(page.locator("#found li").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()


def test_dark_toggles_and_stays(tab):
    def paper(page):
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    page = tab(KINDS["explanation"])
    drawn = "getComputedStyle(document.querySelector('.drawing text')).fill"
    light, text = paper(page), page.evaluate(drawn)
    page.get_by_role("button", name="Dark page").click()
    dark = paper(page)
    assert dark != light
    assert page.evaluate(drawn) != text  # figures follow
    page.goto(urljoin(page.url, "source.html"))
    assert paper(page) == dark
    assert page.get_by_role("button", name="Dark page").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Dark page").click()
    page.reload()
    assert paper(page) == light
    assert paper(tab(KINDS["explanation"], color_scheme="dark")) == dark  # the system's choice


@pytest.mark.parametrize(("width", "name"), [(1280, "wide"), (390, "tall")])
def test_timeline_shows_all_papers_and_leads_to_those_there_are(tab, folder, width, name):
    page = tab("index.html", width)
    timeline = page.locator(f".timeline.{name}")
    expect(timeline).to_be_visible()
    titles = {topic.title for topic in topics.load(ROOT).values()}
    assert titles <= set(timeline.locator("text").all_inner_texts() or []) | set(
        timeline.locator("text").evaluate_all("all => all.map((e) => e.textContent)")
    )
    links = timeline.locator("a")
    there = sorted(path.parent.name for path in folder.glob("*/source.html"))
    found = links.evaluate_all("all => all.map((a) => a.getAttribute('href').split('/')[0])")
    assert sorted(found) == there
    links.first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_be_visible()
    assert page.url.endswith(f"{found[0]}/index.html")


def test_code_is_copied(tab):
    page = tab(KINDS["explanation"], permissions=["clipboard-read", "clipboard-write"])
    block = page.locator("div.sourceCode").first
    block.hover()
    block.get_by_role("button", name="copy").click()
    expect(block.get_by_role("button")).to_have_text("copied")
    code = block.locator("code").inner_text()
    assert page.evaluate("navigator.clipboard.readText()") == code


def test_ledger_sorts(tab):
    page = tab("claims.html")
    rows = "[...document.querySelector('tbody').rows]"  # errata, in a table below, have no verdict
    verdicts = f"{rows}.map((r) => r.cells[5].innerText.trim())"
    before = page.evaluate(verdicts)
    page.get_by_role("button", name="Verdict").click()
    assert page.evaluate(verdicts) == sorted(before)
    page.get_by_role("button", name="Verdict").click()
    assert page.evaluate(verdicts) == sorted(before, reverse=True)


def test_figures_answer_to_pointer_and_keyboard(tab, folder):
    url = next(p for p in sorted(folder.rglob("*.html")) if "data-tip=" in p.read_text())
    page = tab(url.relative_to(folder).as_posix())
    mark = page.locator("[data-tip]").first
    for act in (mark.hover, mark.focus):
        act()
        expect(page.locator(".tip")).to_have_text(mark.get_attribute("data-tip"))
        page.keyboard.press("Escape")
        page.mouse.move(0, 0)
        expect(page.locator(".tip")).to_be_hidden()


@pytest.mark.parametrize("kind", ["source", "experiments"])
def test_hundred_columns_of_source_fit(tab, kind):
    page = tab(KINDS[kind])
    wide = page.evaluate(
        """() => { const pre = document.querySelector(".beside pre");
        pre.querySelector("code").textContent = "m".repeat(100);
        return [pre.scrollWidth, pre.clientWidth] }"""
    )
    assert wide[0] <= wide[1]


def test_it_works_from_a_file(tab, folder):
    for url in ("index.html", KINDS["explanation"]):
        page = tab((folder / url).as_uri())
        assert page.evaluate("document.fonts.load('16px Iosevka').then((f) => f.length)") > 0
        page.locator("#search").fill("adam")
        expect(page.locator("#found [role=status]")).to_contain_text("needs a server")
        assert not page.wrong


class Links(HTMLParser):
    """The ids and links of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if "id" in found:
            self.ids.append(found["id"])
        self.links += [found[name] for name in ("href", "src") if found.get(name)]


def test_no_internal_link_is_dead_and_no_id_is_there_twice(folder):
    pages = {path: Links(path.read_text()) for path in folder.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        wrong += [f"{path}: #{i} twice" for i in set(page.ids) if page.ids.count(i) > 1]
        for link in set(page.links):
            parts = urlsplit(link)
            if parts.scheme:
                continue
            assert not parts.path.startswith("/"), f"{path}: {link} does not work under a sub-path"
            target = (
                Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            )
            if not target.is_file():
                wrong.append(f"{path}: {link} is dead")
            elif parts.fragment and unquote(parts.fragment) not in pages[target].ids:
                wrong.append(f"{path}: {link} has a dead anchor")
    assert not wrong, "\n".join(wrong)


def test_no_formula_is_left_raw(folder):
    for path in folder.rglob("*.html"):
        text = re.sub(r"<(code|pre|script|svg)\b.*?</\1>|<[^>]*>", "", path.read_text(), flags=re.S)
        assert "$" not in text, f"{path}: {text[text.index('$') - 40 : text.index('$') + 40]!r}"


def test_before_and_after_follow_history(folder):
    there = [slug for slug in topics.load(ROOT) if (folder / slug / "index.html").is_file()]
    for kind in ("index.html", "source.html"):
        for slug, after in pairwise(there):
            assert f'<a rel="next" href="../{after}/{kind}"' in (folder / slug / kind).read_text()
            assert f'<a rel="prev" href="../{slug}/{kind}"' in (folder / after / kind).read_text()


def test_no_file_names_another_host_for_the_browser_to_ask(folder):
    for path in folder.glob("static/*.[cj]s*"):
        assert not re.search(r"https?://", path.read_text()), path
