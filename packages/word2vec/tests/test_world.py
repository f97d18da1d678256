"""What experiments read and ask, and the command that asks."""

import itertools
import json
import zlib

import pytest
import torch
from rich.console import Console

import lessons.word2vec as ours
from lessons.word2vec import claims, complexity
from lessons.word2vec.claims import ask, corpus, counting, entities, planted
from lessons.word2vec.lab.run import Run
from lessons.word2vec.lab.runner import main


@pytest.fixture
def folder(tmp_path):
    """Return a folder that is laid out as the README says, with a little of each text."""

    def put(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))

    head = "Category\tText\nd\tstring\nclass\t\n"
    put("topics/x/20newsgroups-train.tab", head + "sci\tthe moon is far\n")
    put("topics/x/20newsgroups-test.tab", head + "sci\tthe sun\n")
    put(
        "descriptions/Translation-en",
        "Package: a\nDescription-md5: 1\nDescription-en: Short one\n A long\n text.\n .\n More.\n\n"
        "Package: b\nDescription-md5: 2\nDescription-en: Other\n",
    )
    put("brown/package/ca01", "\n\tThe/at Jury/nn-tl said/vbd ./.\n")
    put("shakespeare/a/shksprdata/texts/hamlet_gut.txt", "To be\r\nor not\r\n\r\nEnter GHOST.\r\n")
    put("kjv/b/kjv.jsonl", json.dumps({"text": "In the beginning"}) + "\n")
    lines = [b"EMMA", b"", b"handsome, clever"]
    blob = b"X\n\0\0\0\3" + b"".join(
        b"\x00\x04\x00\t" + len(s).to_bytes(4, "big") + s for s in lines
    )
    put("austen/R/Rdata.rdb", 2 * (len(blob).to_bytes(4, "big") + zlib.compress(blob)))
    page = {
        "Introduction": {"Background": {"text": "A <b>land</b> &amp; a sea"}},
        "Government": {"Country name": {"conventional short form": {"text": "France"}}},
    }
    put("factbook/package/europe/fr.json", json.dumps(page))
    put(
        "help-en-us/usr/help/en-US/text/s/a.html",
        '<p id="p1" class="paragraph">Choose <span>File</span></p>'
        '<p id="p2" class="code">print x</p><h1 id="h">Lists</h1>',
    )
    return tmp_path


@pytest.fixture
def unpinned(monkeypatch):
    parts = {name: (*what, "") for name, (*what, _) in corpus.PARTS.items()}
    monkeypatch.setattr(corpus, "PARTS", parts)
    corpus._read.cache_clear()
    yield
    corpus._read.cache_clear()


def paragraphs(text):
    """Return a text's paragraphs as strings."""
    found = [[] for _ in range(int(text.numbers.max()) + 1)]
    for i, n in zip(text.ids.tolist(), text.numbers.tolist()):
        found[n].append(text.words[i])
    return [" ".join(words) for words in found]


def test_texts_are_read_as_words_in_small_letters(folder, tmp_path, unpinned):
    run = Run(tmp_path / "out", scale="full", data=folder)
    assert paragraphs(corpus.read(run)) == [
        "the sun", "the moon is far", "short one a long text", "more", "other", "the jury said",
        "to be or not", "enter ghost", "in the beginning", "emma", "handsome clever", "emma",
        "handsome clever", "france a land a sea", "france france", "choose file", "lists",
    ]  # fmt: skip
    whole = corpus.read(run)
    halves = [whole.part(q) for q in (1, 2, 4)]
    assert [len(set(h.numbers.tolist())) for h in halves] == [5, 9, 17]
    assert set(halves[0].numbers.tolist()) < set(halves[1].numbers.tolist())


def test_a_text_that_is_another_is_refused(folder, tmp_path, monkeypatch):
    run = Run(tmp_path / "out", scale="full", data=folder)
    monkeypatch.setitem(corpus.PARTS, "brown", (*corpus.PARTS["brown"][:2], "0000"))
    corpus._read.cache_clear()
    with pytest.raises(ValueError, match=r"“brown”.*is another"):
        corpus.read(run, ["brown"])
    with pytest.raises(FileNotFoundError, match="--data"):
        corpus.read(Run(tmp_path / "none", scale="full"))
    (folder / "brown/package/ca01").unlink()
    with pytest.raises(FileNotFoundError, match=r"README\.md"):
        corpus.read(run, ["brown"])


def test_the_made_up_world():
    sentences = entities.text(200)
    assert entities.text(200) is sentences
    lengths = torch.tensor([len(s) for s in sentences]).double()
    assert abs(lengths.mean() - (3 + 8)) < 0.7
    assert all(len(s) >= 3 for s in sentences)
    for sentence in entities.text(50, two=True):
        (thing,) = [w for w in sentence if w in entities.things()]
        role = thing.rstrip("0123456789")
        topic = thing.removeprefix(role)
        assert len({w for w in sentence if w.startswith(f"topic{topic}-")}) == 2
        assert len({w for w in sentence if w.startswith(f"{role}-")}) == 2
    for a, b, c, d in entities.questions([("country", "capital")], 50):
        assert {a.strip("0123456789"), b.strip("0123456789")} == {"country", "capital"}
        assert (a[-1], c[-1]) == (b[-1], d[-1])
        assert a != c


def test_planted_phrases_are_in_the_text():
    sentences, pairs, triples = planted.text(3000, seed=1)
    assert len(pairs) == planted.PLANTED + planted.LONG
    assert len(triples) == planted.LONG
    there = {"_".join(p) for s in sentences for p in itertools.pairwise(s)}
    assert pairs <= there


def test_counts_of_neighbours_and_mutual_information():
    vocab = ours.Vocab.of([["a", "b", "a"], ["b", "c"]], min_count=1)
    counts = counting.neighbours(vocab, *vocab.encode([["a", "b", "a"], ["b", "c"]]), window=2)
    a, b, c = (vocab[w] for w in "abc")
    dense = torch.from_numpy(counts.toarray())
    assert dense[a, b] == dense[b, a] == 2
    assert dense[a, a] == 2  # either is the neighbour of the other
    assert dense[b, c] == 1
    assert dense[a, c] == 0
    total = dense.sum()
    found = torch.from_numpy(counting.ppmi(counts, power=1.0).toarray())
    want = (dense[b, c] * total / (dense[b].sum() * dense[c].sum())).log()
    torch.testing.assert_close(found[b, c].item(), want.item())


def test_the_readmes_products():
    assert 8 * 640 * 640 == 3_276_800
    assert 640 * 82_000 == 52_480_000
    # D and H of 640, N = 8: one part in 600 of the model's products is in its projection.
    assert complexity.nnlm(8, 640, 640, 82_000) == 5_120 + 3_276_800 + 52_480_000


@pytest.fixture
def vectors(tmp_path):
    rows = torch.tensor([[1.0, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [1, 1, -5]])
    path = tmp_path / "v.safetensors"
    ours.save_vectors(path, ours.KeyedVectors(["king", "queen", "man", "woman", "x"], rows))
    return path


@pytest.mark.parametrize(
    "words",
    [["king", "-", "man", "+", "woman"], ["King", "−", "man", "+", "woman"],
     ["king", "-", "man", "woman"], ["king + woman - man"]],
)  # fmt: skip
def test_the_command_answers(words, vectors, capsys):
    assert words[0] in claims.COMMANDS
    assert "--full" not in claims.COMMANDS
    assert main([*words, f"--vectors={vectors}", "--top=1"]) == 0
    assert capsys.readouterr().out.split()[0] == "queen"


@pytest.mark.parametrize(
    ("argv", "message"),
    [(["kings"], "'king'"), (["king", "-"], "expected words"), (["king", "+"], "expected words")],
)
def test_the_command_says_what_is_wrong(argv, message, vectors):
    console = Console(record=True, width=200)
    assert ask.main([*argv, f"--vectors={vectors}"], console) == 1
    assert message in console.export_text()


def test_the_commands_other_files(vectors, tmp_path):
    path = tmp_path / "v.bin"
    ours.save_word2vec_format(path, ours.load_vectors(vectors))
    console = Console(record=True, width=200)
    assert ask.main(["king", f"--vectors={path}"], console) == 0
    assert ask.main(["king", "--vectors=/nowhere.bin"], console) == 1
    assert "no such file" in console.export_text()
