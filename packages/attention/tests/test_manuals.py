"""Real translation: pages into pairs, pairs into pieces, and the score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.attention.claims import manuals
from lessons.attention.claims.bleu import bleu, words
from lessons.attention.claims.pieces import EOS, UNKNOWN, Pieces

HTML = """<html><body><p id="outside">not this</p><div id="DisplayArea"><h1 id="a">The
title</h1><p id="b">Choose <b>File&nbsp;</b>or <span class="MAC">Cmd</span><span>Ctrl</span>.
It opens<br> a file.</p><p id="c" class="code">x = 1</p><p>no id</p><p id="b">again</p>
<ul><li><p id="d">An entry</p><li><p id="e">of a list</p></ul></div><p id="f">not this</p></body>"""


def test_paragraphs_of_a_page():
    assert manuals.Page(HTML).blocks == {
        "a": "The title", "b": "Choose File or Ctrl. It opens a file.", "d": "An entry",
        "e": "of a list",
    }  # fmt: skip


def test_sentences_end_before_a_capital():
    text = "Press F2. The cell opens, e.g. for text. «Non» ? Yes! (No.) end"
    assert manuals.sentences(text) == [
        "Press F2.", "The cell opens, e.g. for text.", "«Non» ?", "Yes!", "(No.) end"
    ]  # fmt: skip


def test_a_paragraph_gives_its_sentences_and_itself():
    assert manuals.units("One.", "Un.") == [("One.", "Un.")]
    two = "One. Two.", "Un. Deux."
    assert manuals.units(*two) == [("One.", "Un."), ("Two.", "Deux."), two]
    assert manuals.units("One. Two.", "Un et deux.") == [("One. Two.", "Un et deux.")]


@pytest.mark.parametrize(
    ("en", "fr", "fit"),
    [
        ("Opens the file menu", "Ouvre le menu du fichier", True),
        ("Two words", "Deux mots", False),
        ("Opens the file menu", "Ouvre le menu du fichier et encore bien autre chose", False),
        ("See A1:B2 = 3,4 (5)", "Voir A1:B2 = 3,4 (5)", False),
        ("LibreOffice Basic and Calc", "LibreOffice Basic et Calc", False),
        (" ".join(["word"] * 60), " ".join(["terme"] * 75), True),
        (" ".join(["word"] * 61), " ".join(["terme"] * 61), False),
    ],
)
def test_what_is_no_text_and_translation_is_left_out(en, fr, fit):
    assert manuals.fits(en, fr) is fit


def pages(folder, language, text, second):
    inner = folder / manuals.FOLDERS[language] / f"usr/share/libreoffice/help/{language}/text"
    for i in range(80):
        path = inner / f"page{i}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        own = text.format("abcdefghij"[i % 10] * (2 + i // 10))
        body = f'<p id="x">{own}</p><p id="y">{text.format("one")} {second.format(i)}</p>'
        path.write_text(f'<div id="DisplayArea">{body}</div>', "utf-8")
    return inner


def test_no_sentence_of_a_test_is_trained_on(tmp_path, monkeypatch):
    english = pages(tmp_path, "en-US", "Opens the {} menu of the file.", "Page {} is long enough.")
    french = pages(tmp_path, "fr", "Ouvre donc le menu {} du fichier.", "La page {} est longue.")
    with pytest.raises(ValueError, match=r"has other pages than those meant.*was expected"):
        manuals.corpus(tmp_path)
    for language, inner in (("en-US", english), ("fr", french)):
        monkeypatch.setitem(manuals.SHA256, language, manuals.tree_hash(inner))
    found = manuals.corpus(tmp_path)
    trained = {manuals.key(s) for pair in found.train for t in pair for s in manuals.sentences(t)}
    assert ("Opens the one menu of the file.", "Ouvre donc le menu one du fichier.") in found.train
    paragraphs = [pair for pair in found.train if len(manuals.sentences(pair[0])) == 2]
    assert paragraphs, "uncut paragraphs are kept"
    assert found.test
    for pair in found.test + found.dev:
        for text in pair:
            assert not {manuals.key(s) for s in manuals.sentences(text)} & trained


def test_missing_pages_say_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OSError, match=r"help-en-us.*libreoffice-help-en-us.*dpkg -x"):
        manuals.find(tmp_path, "en-US")


TEXTS = ["the lower, the newer: the widest", "l'été, the lowest été", "newest and widest"] * 5
PIECES = Pieces(TEXTS, 60)


def test_pieces_are_learned_from_the_most_frequent_pairs():
    assert len(PIECES) <= 60
    assert len(PIECES.encode("the")[:-1]) == 1
    assert PIECES.names == Pieces(list(TEXTS), 60).names


@given(st.lists(st.sampled_from("abcdehilnorstuwé ,:'"), max_size=30).map("".join))
def test_pieces_joined_are_the_text(text):
    text = " ".join(text.split())
    ids = PIECES.encode(text)
    assert ids[-1] == EOS
    assert sum(n for _, n in PIECES.spans(text)) == len(ids)
    if UNKNOWN not in ids:
        assert PIECES.decode(ids) == text


def test_pieces_are_kept_and_come_back():
    again = Pieces.from_json(PIECES.to_json())
    for text in (*TEXTS, "unseen: zzz été"):
        assert again.encode(text) == PIECES.encode(text)


def test_bleu_of_a_known_case():
    # Of "a b c d" against "a b c e": precisions 3/4, 2/3, 1/2, and no 4-gram at all.
    assert bleu([list("abcd")], [list("abce")]) == 0
    expected = 100 * (3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3)
    assert bleu([list("abcd")], [list("abce")], n=3) == pytest.approx(expected)
    assert bleu([list("abcd")], [list("abcdefgh")]) == pytest.approx(100 * 2.718281828459045**-1)


SAID = [
    "Ouvre la boîte de dialogue Enregistrer, où vous pouvez définir le nom du fichier.",
    "Cliquez sur l'icône « Table » (3.5 cm - 1,000 pt) dans la barre d'outils.",
    "Sélectionnez Format - Page - Bordures; le menu contextuel s'ouvre: c'est tout.",
]
RIGHT = [
    "Ouvre la boîte de dialogue Enregistrer sous, dans laquelle vous définissez le nom du fichier.",
    "Cliquez sur l'icône « Tableau » (3.5 cm - 1,000 pt) de la barre d'outils Standard.",
    "Choisissez Format - Page - Bordures; le menu contextuel s'ouvre: c'est tout.",
]


def test_bleu_equals_the_standard_scorer():
    sacrebleu = pytest.importorskip("sacrebleu")
    ours = bleu([words(a) for a in SAID], [words(b) for b in RIGHT])
    assert ours == pytest.approx(sacrebleu.corpus_bleu(SAID, [RIGHT]).score, abs=1e-9)
    # multi-bleu's way, on texts that are tokens already
    plain = sacrebleu.corpus_bleu(
        SAID, [RIGHT], tokenize="none", smooth_method="none", force=True
    ).score
    assert bleu([a.split() for a in SAID], [b.split() for b in RIGHT]) == pytest.approx(plain)
