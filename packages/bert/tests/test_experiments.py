"""What the claims are measured with: the made-up language, readers, contenders, the command."""

import io

import pytest
import torch
from rich.console import Console

from lessons.bert import BertConfig, BertForMaskedLM, WordPieceTokenizer
from lessons.bert.claims import (
    ask,
    contest,
    corpus,
    english,
    finetuning,
    labels,
    language,
    papers_data,
    pretraining,
    reading,
    shipped,
    world,
)
from lessons.bert.lab.run import Run
from lessons.bert.wordpiece import SPECIAL


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("run"), scale="test")


def kinds(ids):
    """Return the kinds of words, (N, 8)."""
    return (ids - len(SPECIAL)) // language.SYNONYMS % language.KINDS


def test_a_sentences_meaning_is_the_shift_between_its_halves():
    ids, labels_ = language.labelled("sentiment", 300, 0)
    kind = kinds(ids[:, 1:9])
    assert (ids[:, 0] == language.CLS).all()
    assert (ids[:, 9] == language.SEP).all()
    assert ((kind[:, 4] - kind[:, 0]) % 4 - 1 == labels_).all()
    assert (kind[:, :3] == kind[:, :1]).all()
    assert (kind[:, 4:] == kind[:, 4:5]).all()
    slots = (ids[:, 1:9] - len(SPECIAL)) // (language.SYNONYMS * language.KINDS)
    assert (slots == torch.arange(8) % 4).all()
    # The fourth word, which would give it away from the left, is drawn.
    assert not ((2 * kind[:, 0] + labels_ + 1) % 4 == kind[:, 3]).all()


def test_from_the_left_the_first_half_says_nothing_and_the_second_all():
    ids, labels_ = language.labelled("tags", 4_000, 1)
    assert (labels_[:, [0, 9]] == -100).all()
    assert (labels_[:, 1:9] == labels_[:, 1:2]).all()
    kind, k = kinds(ids[:, 1:9]), labels_[:, 1]
    for c in range(4):  # whatever the first four words are, all shifts are as likely
        shares = k[kind[:, 0] == c].bincount(minlength=3) / (kind[:, 0] == c).sum()
        assert (shares - 1 / 3).abs().max() < 0.05
    fourth = torch.stack([k[(kind[:, 0] == 1) & (kind[:, 3] == x)].bincount(minlength=3)
                          for x in range(4)]).float()  # fmt: skip
    assert (fourth / fourth.sum(1, keepdim=True) - 1 / 3).abs().max() < 0.12


def test_documents_share_their_class():
    ids, apart = language.unlabelled(2_000, 2)
    kind = kinds(ids[:, 1:9])[:, 0], kinds(ids[:, 10:18])[:, 0]
    assert (kind[0] == kind[1])[apart == 0].all()
    assert 0.2 < (kind[0] == kind[1])[apart == 1].float().mean() < 0.3
    pairs, label = language.labelled("pairs", 500, 3)
    same = kinds(pairs[:, 1:9])[:, 0] == kinds(pairs[:, 10:18])[:, 0]
    assert (same == (label == 0)).all()


def test_the_second_segment_begins_behind_the_first_sep():
    ids = torch.tensor([[2, 7, 3, 8, 9, 3, 0], [2, 7, 3, 0, 0, 0, 0]])
    assert reading.segments(ids, 3).tolist() == [[0, 0, 0, 1, 1, 1, 0], [0] * 7]


def test_parts_of_a_task_are_apart_and_each_seed_has_its_own(run):
    one, other = (world.world(run).task("tags", seed) for seed in (0, 1))
    rows = [{tuple(row) for row in part.ids.tolist()} for part in one[1:]]
    assert len(set.union(*rows)) == sum(map(len, rows))
    assert not torch.equal(one.train.ids, other.train.ids)


def test_names_are_dealt_to_parts_without_overlap_and_dev_is_the_same_for_every_seed():
    names = [f"page {i}" for i in range(400)]
    parts = [english.parted(names, english.random.Random(seed), 0.6) for seed in (0, 1)]
    for train, dev, test in parts:
        assert len(train) + len(dev) + len(test) == 400
        assert train | dev | test == set(names)
    assert parts[0][1] == parts[1][1]
    assert parts[0][0] != parts[1][0]


PAGE = b"""<h1 id="hd_1" dir="auto">Saving <b>a</b> file</h1><p id="par_1" dir="auto">Choose
File &amp; Save to keep the text that you wrote.</p><p id="bm_x"></p>
<p id="par_2" class="code" dir="auto">x = 1</p><h2 id="hd_2">Loading</h2>"""


def test_a_help_page_is_headings_and_paragraphs_without_code():
    assert list(corpus.blocks(PAGE)) == [
        ("h", "Saving a file"),
        ("p", "Choose File & Save to keep the text that you wrote."),
        ("h", "Loading"),
    ]


@pytest.mark.parametrize(
    ("tag", "first"),
    [("nns-tl", "nns"), ("fw-nn", "nn"), ("ppss+bem", "ppss"), ("bez*", "bez"), ("np$", "np$"),
     ("*", "*"), ("--", "--"), ("at", "at")],
)  # fmt: skip
def test_a_tags_stem(tag, first):
    assert corpus.stem(tag) == first


def test_missing_and_other_texts_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        corpus.documents(None)
    with pytest.raises(FileNotFoundError, match="Use it"):
        corpus.files(tmp_path, "king james")
    (tmp_path / "kjv").mkdir()
    (tmp_path / "kjv" / "kjv.jsonl").write_text('{"text": "In the beginning"}\n')
    with pytest.raises(ValueError, match="is another"):
        corpus.files(tmp_path, "king james")


def test_a_words_tag_stands_at_its_first_piece():
    tokenizer = WordPieceTokenizer([*SPECIAL, "cat", "##s", "run"])
    found = reading.tag_examples(
        tokenizer, [[("cats", "nns"), ("run", "vb")], [("run", "vb")]], {"nns": 0}, 64
    )
    assert found.ids.tolist() == [[2, 5, 6, 7, 3], [2, 7, 3, 0, 0]]
    ignored = -100
    assert found.labels.tolist() == [
        [ignored, 0, ignored, 1, ignored],  # an unknown tag is the last one
        [ignored, 1, ignored, ignored, ignored],
    ]


def test_the_papers_sets_are_read(tmp_path):
    (tmp_path / "conll2003").mkdir()
    lines = (
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\n"
    )
    (tmp_path / "conll2003" / "eng.train").write_text(lines)
    assert papers_data.entities(tmp_path, "train") == [
        [("EU", "B-ORG"), ("rejects", "O")],
        [("Peter", "B-PER")],
    ]
    (tmp_path / "GLUE" / "QNLI").mkdir(parents=True)
    table = 'index\tquestion\tsentence\tlabel\n0\tWho "x?\tHe did.\tentailment\n'
    (tmp_path / "GLUE" / "QNLI" / "train.tsv").write_text(table)
    assert papers_data.glue(tmp_path, "QNLI", "train") == [('Who "x?', "He did.", "entailment")]
    with pytest.raises(FileNotFoundError, match="SST-2"):
        papers_data.glue(tmp_path, "SST-2", "dev")


def test_exercises_read_the_same_rows(run):
    ids = world.world(run).rows[:4].long()
    generator = torch.Generator().manual_seed(0)
    left, next_ = pretraining.targets(run, "LTR", ids, "80-10-10", generator)
    assert torch.equal(left, ids)
    assert torch.equal(next_[:, :-1], ids[:, 1:])
    _, before = pretraining.targets(run, "RTL", ids, "80-10-10", generator)
    assert (before[:, 1] == -100).all()  # [CLS] is not predicted
    assert torch.equal(before[:, 2:], ids[:, 1:-1])
    hidden, true = pretraining.targets(run, "MLM", ids, "100-0-0", generator)
    assert (hidden[true != -100] == language.MASK).all()
    assert torch.equal(torch.where(true == -100, hidden, true), ids)
    assert (true[ids < 5] == -100).all()


@pytest.mark.parametrize("contender", finetuning.CONTENDERS)
@pytest.mark.parametrize("kind", ["tokens", "sequence"])
def test_every_contender_can_be_built_and_reads_no_padding(run, contender, kind):
    net = finetuning.build(run, contender, kind, 3, 0, pretraining.ends_of(run)[-1]).eval()
    ids, _ = language.labelled("sentiment", 2, 0)
    wide = torch.cat([ids, torch.zeros(2, 3, dtype=ids.dtype)], 1)
    one, other = (
        net(input_ids=x, attention_mask=(x != 0).long(), token_type_ids=torch.zeros_like(x))
        for x in (ids, wide)
    )
    other = other[:, :10] if kind == "tokens" else other
    torch.testing.assert_close(one, other)


def test_a_kept_encoder_is_what_was_trained_and_is_made_again_if_it_is_gone(run):
    end = pretraining.ends_of(run)[-1]
    first = pretraining.encoder(run, "MLM", 0, end).state_dict()
    for path in (run.out / "lessons-results").glob("MLM-large-*.safetensors"):
        path.unlink()
    torch.manual_seed(5)
    again = pretraining.encoder(run, "MLM", 0, end).state_dict()
    after = torch.rand(3)
    torch.manual_seed(5)
    pretraining.encoder(run, "MLM", 0, end)  # from its file
    assert torch.equal(torch.rand(3), after), "a trial around it draws the same numbers"
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_counting_learns_what_it_should():
    ids = torch.tensor([[2, 5, 3], [2, 6, 3], [2, 5, 3]])
    one = reading.Examples(ids, torch.tensor([0, 1, 0]))
    assert labels.naive_bayes(one, one) == 1.0
    tags = torch.full_like(ids, -100)
    tags[:, 1] = torch.tensor([0, 1, 1])
    train = reading.Examples(ids, tags)
    test = reading.Examples(torch.tensor([[2, 6, 7]]), torch.tensor([[-100, 1, 1]]))
    assert labels.most_frequent(train, test) == 1.0  # what was never seen has the commonest


def test_a_rate_at_the_edge_makes_the_grid_grow():
    best, tried = pretraining.tuned(1.0, lambda rate: abs(rate - 4))
    assert best == 4
    assert sorted(tried) == [0.5, 1, 2, 4, 8]
    assert "at the edge" in pretraining.grid(2.0, {0.5: 2, 1.0: 1, 2.0: 0})


def test_where_no_net_is_above_chance_nothing_is_decided(run, monkeypatch):
    found = contest.interval([1.0, 1.1, 1.2])
    judged = contest.held(run, found, above=0.0)
    assert judged.verdict == "holds"
    monkeypatch.setattr(contest, "chance", lambda run, task: 0.5)
    values = {"a": [0.49, 0.5, 0.51], "b": [0.6, 0.61, 0.62]}
    monkeypatch.setattr(contest, "scores", lambda run, contender, task: values[contender])
    assert contest.learned(run, judged, "pairs", "a", "b") == judged
    assert contest.learned(run, judged, "pairs", "a").verdict == "undecided"


def console():
    return Console(file=io.StringIO(), width=100, highlight=False)


def test_without_its_model_the_command_says_what_is_missing(tmp_path):
    out = console()
    missing = tmp_path / "none.safetensors"
    assert ask.main(["the [MASK] sat", "--model", str(missing)], out) == 1
    said = out.file.getvalue()
    assert "no trained model" in said
    assert "--full --claim D3 --data" in said
    assert ask.main(["no mask", "--model", str(missing)], out) == 1
    assert "has no [MASK]" in out.file.getvalue()


def test_the_command_fills_in_hidden_words(tmp_path):
    pieces = [*SPECIAL, "in", "the", "beginning", "earth"]
    config = BertConfig(len(pieces), 16, 1, 2, max_position_embeddings=8)
    model = BertForMaskedLM(config, torch.Generator().manual_seed(0))
    path = tmp_path / "model.safetensors"
    shipped.keep(model, pieces, path)
    kept, tokenizer = shipped.recall(path)
    assert tokenizer.pieces == pieces
    for name, tensor in model.state_dict().items():
        assert torch.equal(kept.state_dict()[name], tensor.half().float())
    out = console()
    assert ask.main(["in the [MASK] [MASK]", "--best", "3", "--model", str(path)], out) == 0
    lines = out.file.getvalue().splitlines()
    assert len(lines) == 8  # two heads, three words each
    assert ask.main(["[MASK]", *["earth"] * 9, "--model", str(path)], out) == 1
    assert "at most 8" in out.file.getvalue()
    path.write_bytes(b"nothing")
    assert ask.main(["[MASK]", "--model", str(path)], out) == 1
