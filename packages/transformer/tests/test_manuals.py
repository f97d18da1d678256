"""Real translation: pages into pairs, pairs into pieces, and the score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lessons.transformer.claims import manuals
from lessons.transformer.claims.bleu import bleu, words
from lessons.transformer.claims.pieces import EOS, UNKNOWN, Pieces

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


@pytest.mark.parametrize(
    ("en", "fr", "fit"),
    [
        ("Opens the file menu", "Ouvre le menu du fichier", True),
        ("Two words", "Deux mots", False),
        ("Opens the file menu", "Ouvre le menu du fichier et encore bien autre chose", False),
        ("See A1:B2 = 3,4 (5)", "Voir A1:B2 = 3,4 (5)", False),
        ("LibreOffice Basic and Calc", "LibreOffice Basic et Calc", False),
    ],
)
def test_what_is_no_sentence_and_translation_is_left_out(en, fr, fit):
    assert manuals.fits(en, fr) is fit


def pages(folder, language, text):
    inner = folder / manuals.FOLDERS[language] / f"usr/share/libreoffice/help/{language}/text"
    for i in range(60):
        path = inner / f"page{i}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        shared = text.format("one") if i % 3 else ""
        body = f'<p id="x">{text.format("abcdefghij"[i % 10] * (2 + i // 10))}</p>'
        path.write_text(f'<div id="DisplayArea">{body}<p id="y">{shared}</p></div>', "utf-8")
    return inner


def test_no_sentence_is_in_two_parts(tmp_path, monkeypatch):
    english = pages(tmp_path, "en-US", "Opens the {} menu of the file.")
    french = pages(tmp_path, "fr", "Ouvre donc le menu {} du fichier.")
    with pytest.raises(ValueError, match=r"has other pages than those meant.*was expected"):
        manuals.corpus(tmp_path)
    for language, inner in (("en-US", english), ("fr", french)):
        monkeypatch.setitem(manuals.SHA256, language, manuals.tree_hash(inner))
    found = manuals.corpus(tmp_path)
    pairs = found.train + found.dev + found.test
    assert len(pairs) == len(set(pairs)) == 61
    assert found.test
    assert ("Opens the one menu of the file.", "Ouvre donc le menu one du fichier.") in found.train


def test_missing_pages_say_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OSError, match=r"help-en-us.*libreoffice-help-en-us.*dpkg -x"):
        manuals.find(tmp_path, "en-US")


TEXTS = ["the lower, the newer: the widest", "l'été, the lowest été", "newest and widest"] * 5


def test_pieces_are_learned_from_the_most_frequent_pairs():
    pieces = Pieces(TEXTS, 60)
    assert len(pieces) <= 60
    assert len(pieces.encode("the")[:-1]) == 1
    assert pieces.names == Pieces(list(TEXTS), 60).names


@given(st.lists(st.sampled_from("abcdehilnorstuwé ,:'"), max_size=30).map("".join))
def test_pieces_joined_are_the_text(text):
    text = " ".join(text.split())
    ids = PIECES.encode(text)
    assert ids[-1] == EOS
    if UNKNOWN not in ids:
        assert PIECES.decode(ids) == text


PIECES = Pieces(TEXTS, 60)


def test_bleu_of_a_known_case():
    # Of "a b c d" against "a b c e": precisions 3/4, 2/3, 1/2, and no 4-gram at all.
    assert bleu([list("abcd")], [list("abce")]) == 0
    expected = 100 * (3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3)
    assert bleu([list("abcd")], [list("abce")], n=3) == pytest.approx(expected)


def test_bleu_punishes_what_is_too_short():
    whole, half = list("abcdefgh"), list("abcd")
    assert bleu([whole], [whole]) == pytest.approx(100)
    assert bleu([half], [whole]) == pytest.approx(100 * 2.718281828459045 ** (1 - 2))


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
    theirs = sacrebleu.corpus_bleu(SAID, [RIGHT])
    assert ours == pytest.approx(theirs.score, abs=1e-9)
    for text in (*SAID, "a,b 3,4 5-6 -7 x.y. $5 &amp; 50% «z»"):
        assert words(text) == sacrebleu.tokenizers.tokenizer_13a.Tokenizer13a()(text).split()
