"""What the claims are measured with: equal products, readers, rivals, measures, the command."""

import io
import math

import pytest
import torch
from rich.console import Console

from lessons.mixture_of_experts import PRESETS
from lessons.mixture_of_experts.claims import ask, corpus, language, models, shipped
from lessons.mixture_of_experts.claims.balance import LINE, growth, narrowed, used
from lessons.mixture_of_experts.claims.learning import inverse_sqrt, lengths, products
from lessons.mixture_of_experts.claims.pieces import EOS, Pieces
from lessons.mixture_of_experts.claims.speech import examine, information
from lessons.mixture_of_experts.lab.run import Run
from lessons.mixture_of_experts.model import MoELanguageModel, count_parameters

SERIES = ("moe-4", "moe-32", "moe-256-h", "moe-1-wide", "moe-1-deep", "4xlstm")


def test_all_that_are_compared_spend_the_same_products_the_gates_among_them():
    before = {kind: products(kind, 500)[0] for kind in SERIES}
    assert all(abs(value / models.MEANT - 1) < 0.01 for value in before.values()), before
    assert 4.4 < products("2xlstm-large", 500)[0] / models.MEANT < 4.6
    assert products("hash", 500)[0] == models.MEANT  # no gate to pay for
    paper = models.config("moe-256-h", 500, 16), models.config("moe-1-wide", 500, 16)
    assert [c.operations for c in paper] == pytest.approx([PRESETS["moe-1-wide"].operations] * 2)
    sizes = [models.config(kind, 500).parameters for kind in SERIES[:3]]
    assert sizes == sorted(sizes)
    assert sizes[2] > 25 * sizes[0]


@pytest.mark.parametrize("kind", models.KINDS)
def test_formulas_count_what_is_built(kind):
    model = models.build(kind, 50, seed=0)
    config = models.config(kind, 50)
    gate = 2 * config.width * config.gate_columns if kind == "hash" else 0
    assert count_parameters(model) == config.parameters - gate


def test_first_weights_depend_on_the_seed_alone():
    one, same, other = (models.build("moe-32", 50, seed=s) for s in (3, 3, 4))
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters()):
        assert torch.equal(a, b)
        assert not a.any() or not torch.equal(a, c)


def test_a_hash_sends_every_piece_to_its_own_four_experts():
    model = models.build("hash", 50, seed=0).eval()
    ids = torch.tensor([[3, 7, 3]])
    model(ids)
    gating = model.middle.gate(torch.zeros(3, 32))
    experts = gating.expert.view(3, 4).tolist()
    assert experts[0] == experts[2]
    assert experts[0] != experts[1]
    assert len(set(experts[0])) == 4
    assert gating.load.sum() == 12


def test_pieces_give_the_text_back():
    texts = ["the cat sat on the mat", "a cat, a mat; the end."] * 20
    pieces = Pieces(texts, 40)
    assert 20 < len(pieces) <= 40
    for text in texts[:2]:
        ids = pieces.encode(text)
        assert ids[-1] == EOS
        assert pieces.decode(ids) == text + "\n"
    again = Pieces.from_json(pieces.to_json())
    assert again.encode(texts[0]) == pieces.encode(texts[0])


def test_the_made_up_language_has_its_facts():
    text = language.made_up(200, 50, 64)
    ids = text.test.long()
    facts = {}
    right = total = 0
    for row in text.train.long().tolist():
        for a, b, c in zip(row, row[1:], row[2:]):
            facts.setdefault((a, b), []).append(c)
    for row in ids.tolist():
        for a, b, c in zip(row, row[1:], row[2:]):
            seen = facts.get((a, b), [])
            if len(seen) >= 5:
                total += 1
                right += c == max(set(seen), key=seen.count)
    assert 0.85 < right / total < 0.95


def test_text_is_cut_into_rows_with_an_end_mark_between():
    pieces = Pieces(["one two three"] * 30, 20)
    rows = language.packed(pieces, ["one two three"] * 100, 3)
    assert rows.shape == (3, language.STEPS + 1)
    assert pieces.decode(rows.flatten().tolist()).startswith("one two three\none two three\n")
    with pytest.raises(ValueError, match="are needed"):
        language.packed(pieces, ["one"], 3)


def test_a_word_has_its_tag_at_its_last_piece():
    pieces = Pieces(["abc de"] * 9, 7)
    lines = [[("abc", "nns-tl"), ("de", "vbd")]] * 40
    rows, tags, names = language.labelled(pieces, lines)
    assert names == ["nn", "vbd"]
    flat, labels = rows.flatten().tolist(), tags.flatten().tolist()
    for i, tag in enumerate(labels[:60]):
        text = pieces.decode(flat[: i + 1])
        assert (tag == 0) == text.endswith(" abc")
        assert (tag == 1) == text.endswith(" de")


def test_missing_and_other_texts_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        corpus.paragraphs(None)
    with pytest.raises(FileNotFoundError, match="Use it"):
        corpus.files(tmp_path, "king james")
    (tmp_path / "kjv").mkdir()
    (tmp_path / "kjv" / "kjv.jsonl").write_text('{"text": "In the beginning"}\n')
    with pytest.raises(ValueError, match="is another"):
        corpus.files(tmp_path, "king james")


def test_readers():
    assert list(corpus.verses(b'{"text": "a"}\n{"text": "b"}')) == ["a", "b"]
    assert next(corpus.untagged(b"\tthe/at dog/nn ./.\n\n")) == "the dog ."
    assert list(corpus.manual(b'<p id="x" class="a">A &amp; <b>B</b></p><p id="y">C</p>')) == [
        "A & B", "C",
    ]  # fmt: skip
    assert list(corpus.countries(b'{"a": {"text": "x<br>y"}}')) == ["x y"]
    assert list(corpus.plain(b"a\r\n\r\nb")) == ["a", "b"]


def test_information_of_known_tables():
    a = torch.arange(4).repeat(4000)
    b = torch.arange(4).repeat_interleave(4000)
    assert abs(information(a, a) - 2) < 0.01
    assert abs(information(a, b)) < 1e-3  # independent, after the correction
    assert abs(information(a, a // 2) - 1) < 0.01


def test_sorted_pieces_know_their_tags_and_random_ones_do_not():
    text = language.made_up(200, 50, 64)  # a label is a symbol's group of eight
    model = models.build("moe-32", text.vocab_size, seed=0)
    found = examine(model, text, 0, "cpu")
    assert abs(found["sorted bits"] - 3) < 0.05
    assert found["chance bits"] < 2
    assert 0 <= found["tag bits"] < 3.05


def test_how_few_experts_are_used():
    assert used([0.25] * 4 + [0.0] * 28) == pytest.approx(4)
    assert narrowed([0.25] * 4 + [0.0] * 28) == pytest.approx(1)
    assert narrowed([1 / 32] * 32) == pytest.approx(0)
    # Table 6, 256 experts without losses: CV 3.04 is 25 of them, and the line half of that way.
    assert pytest.approx(25, abs=0.1) == 256 / (1 + 3.04**2)
    assert abs(math.log(256 / 25) / math.log(64) / 2 - LINE) < 1e-3
    assert pytest.approx(17.9, abs=0.05) == 32 / 8**LINE


def test_growth_of_shares():
    first = [math.exp(x) for x in (-4.0, -3.5, -3.0, -2.0)]
    assert abs(growth(first, [x**2 for x in first]).mean - 2) < 1e-9
    assert abs(growth(first, first).mean - 1) < 1e-9


def test_where_runs_are_looked_at(tmp_path):
    run = Run(tmp_path)
    steps = len(language.world(run).train) // 32
    assert lengths(run)[-1] == steps
    assert lengths(run)[-3:] == [round(steps / 4), round(steps / 2), steps]
    assert inverse_sqrt(steps, steps // 27) < 0.2


def test_the_command_says_how_to_make_the_model_and_routes_once_there_is_one(tmp_path):
    out = io.StringIO()
    console = Console(file=out, width=200)
    missing = str(tmp_path / "none.safetensors")
    assert ask.main(["In", "the", "beginning", "--model", missing], console) == 1
    assert "--full --claim D5" in out.getvalue()
    run = Run(tmp_path, scale="test")
    shipped.learn_shipped(run, 0)
    made = ["--model", str(shipped.kept_at(run))]
    assert ask.main(["the cat sat", *made, "--go-on", "3"], console) == 0
    assert "the cat sat" in "".join(c for c in out.getvalue() if not c.isdigit())
    assert ask.main([" ", *made], console) == 1


def test_the_model_that_ships_is_small_enough():
    with torch.device("meta"):
        model = MoELanguageModel(shipped.CONFIG)
    assert 2 * count_parameters(model, embeddings=True) < 1_900_000
