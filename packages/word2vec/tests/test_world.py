"""What experiments read and ask, and the command that asks."""

import itertools
import json
import math
import zlib

import pytest
import torch
from rich.console import Console

import lessons.word2vec as ours
from lessons.word2vec import claims, complexity
from lessons.word2vec.claims import (
    architectures,
    ask,
    corpus,
    counting,
    entities,
    judging,
    learn,
    objectives,
    paths,
    planted,
    world,
)
from lessons.word2vec.lab.run import Run
from lessons.word2vec.lab.runner import main
from lessons.word2vec.lab.statistics import Judgement, interval, seeds_needed


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
    for table in ("PARTS", "OTHERS"):
        parts = {name: (*what, "") for name, (*what, _) in getattr(corpus, table).items()}
        monkeypatch.setattr(corpus, table, parts)
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
        "the sun", "the moon is far", "the jury said", "to be or not", "enter ghost",
        "in the beginning", "emma", "handsome clever", "emma", "handsome clever",
        "a land a sea", "france", "choose file", "lists",
    ]  # fmt: skip
    whole = corpus.read(run)
    halves = [whole.part(q) for q in (1, 2, 5)]
    assert [len(set(h.numbers.tolist())) for h in halves] == [3, 6, 14]
    assert set(halves[0].numbers.tolist()) < set(halves[1].numbers.tolist())
    # Only the shipped vectors read the country's name before each of its facts.
    named = corpus.read(run, ("factbook, names added",))
    assert paragraphs(named) == ["france a land a sea", "france france"]


def test_a_text_that_is_another_is_refused(folder, tmp_path, monkeypatch):
    run = Run(tmp_path / "out", scale="full", data=folder)
    monkeypatch.setitem(corpus.PARTS, "brown", (*corpus.PARTS["brown"][:2], "0000"))
    corpus._read.cache_clear()
    with pytest.raises(ValueError, match=r"“brown”.*is another"):
        corpus.read(run, ("brown",))
    with pytest.raises(FileNotFoundError, match="--data"):
        corpus.read(Run(tmp_path / "none", scale="full"))
    (folder / "brown/package/ca01").unlink()
    with pytest.raises(FileNotFoundError, match=r"“Use it” in README\.md names the package"):
        corpus.read(run, ("brown",))


def test_the_list_of_questions_is_gensims_or_that_of_the_folder(tmp_path, monkeypatch):
    pytest.importorskip("gensim")
    run = Run(tmp_path / "out", scale="full", data=tmp_path)
    path = corpus.questions_file(run)
    assert sum(len(asked) for _, asked in ours.read_questions(path)) == 19_544
    assert sum(len(q) for name, q in ours.read_questions(path) if name[:4] != "gram") == 8_869
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"^questions-words.txt is missing: pip install"):
        corpus.questions_file(run)
    (tmp_path / corpus.LIST).write_text(": family\nboy girl king queen\n", encoding="utf-8")
    with pytest.raises(ValueError, match="is not the published list"):
        corpus.questions_file(run)


def test_a_run_of_the_papers_size_reads_ones_own_text(tmp_path):
    pytest.importorskip("gensim")
    words = "athens greece oslo norway and the of".split()
    (tmp_path / "text/a").mkdir(parents=True)
    text = "\n\n".join(
        f"{words[i % 7]} {words[(i + 1) % 7]} is rare {'z' * (i + 9)}" for i in range(70)
    )
    (tmp_path / "text/a/b.txt").write_text(text, encoding="latin-1")
    run = Run(tmp_path / "out", scale="paper", data=tmp_path)
    here = world.build(run)
    assert set(here.vocab.words) == {*words, "is", "rare"}
    assert here.words == 4 * 70
    one, other = ("athens", "greece"), ("oslo", "norway")
    assert set(here.questions) == {one + other, other + one}
    assert not judging.paper_regime(run, 1)
    found = learn.learn(run, "skip-gram", "neg", 0.05, 0.0, 0.75, 8, 1, 0)
    assert found["words"] == here.words
    assert set(found["ten"]) == {"-"}  # no ten pairs
    assert len(found["open"]) == len(found["right"]) == len(here.questions)
    assert here.capitals()[0] == ("greece", "athens", "norway", "oslo")
    assert learn.feedforward(run, 0.05, 8, 1, 0)["words"] == here.words


def test_histories_begin_with_borders():
    ids, numbers = torch.arange(12), torch.tensor([0] * 10 + [1] * 2)
    got = learn.histories(ids, numbers, torch.tensor([0, 3, 9, 11]), border=99)
    assert got.tolist() == [
        [99] * 8, [99] * 5 + [0, 1, 2], [1, 2, 3, 4, 5, 6, 7, 8], [99] * 7 + [10]
    ]  # fmt: skip


def small_world(rows, questions, names):
    counts = {word: 999 - i for i, word in enumerate(rows)}
    vocab = ours.Vocab(counts, min_count=1)
    nothing = torch.zeros(0, dtype=torch.int32)
    vectors = ours.KeyedVectors(vocab.words, torch.tensor(list(rows.values())))
    return world.World(vocab, nothing, nothing, questions, names), vectors


def test_answers_with_no_word_left_out():
    rows = {"man": [1.0, 0, 0], "woman": [1.0, 1, 0], "king": [1.0, 0, 1], "queen": [1.0, 0.5, 1]}
    # The list asks for countries; turned it is man : woman :: king : queen, of which 2013b speaks.
    asked = [("woman", "man", "queen", "king"), ("king", "man", "queen", "woman")]
    names = ["capital-common-countries"] * 2
    here, vectors = small_world(rows, asked, names)
    assert next(iter(here.capitals().values())) == ("man", "woman", "king", "queen")
    assert here.open(vectors, leave_out=True) == here.open(vectors) == "11"
    rows["woman"] = [1.0, 0.001, 0]  # a step too short to leave the king
    here, vectors = small_world(rows, asked, names)
    assert here.open(vectors, leave_out=True) == "11"
    assert here.open(vectors) == "cb"
    here, vectors = small_world(rows, asked, [names[0], "family"])
    assert here.open(vectors) == "c-"


def test_ten_examples_leave_out_what_one_leaves_out():
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(12, 6, generator=generator)
    offset = 0.3 * torch.randn(6, generator=generator)
    rows = {f"a{i}": first[i].tolist() for i in range(12)}
    second = first + offset + 0.3 * torch.randn(12, 6, generator=generator)
    rows |= {f"b{i}": second[i].tolist() for i in range(12)}
    asked = [(f"a{i}", f"b{i}", f"a{j}", f"b{j}") for i in range(12) for j in range(12) if i != j]
    here, vectors = small_world(rows, [*asked, ("a0", "b0", "a1", "b1")], ["x"] * 132 + ["few"])
    got = here.ten(vectors, seed=0)
    assert got[-1] == "-"
    assert set(got[:-1]) <= {"0", "1"}
    assert got.count("1") >= here.right(vectors)[:-1].count("1") > 0
    assert here.ten(vectors, seed=0) == got


def test_thirds_of_answers_by_their_counts():
    rows = {f"w{i}": [float(i), 1.0] for i in range(9)}
    here, _ = small_world(rows, [("w0", "w1", "w2", f"w{i}") for i in range(9)], ["x"] * 9)
    assert [sum(here.third(k)) for k in range(3)] == [3, 3, 3]
    assert here.third(2) == [True] * 3 + [False] * 6  # w0 is the most frequent


def asked_of(n, kinds=("one",)):
    """Return a world in which each kind's n pairs are all asked with each other."""
    pairs = [(f"{kind}-a{i}", f"{kind}-b{i}", kind) for kind in kinds for i in range(n)]
    asked = [(p, q) for p in pairs for q in pairs if p != q and p[2] == q[2]]
    rows = {word: [1.0, i] for i, word in enumerate(w for a, b, _ in pairs for w in (a, b))}
    names = [f"{p[2]}-list" for p, _ in asked]
    return small_world(rows, [(*p[:2], *q[:2]) for p, q in asked], names)[0]


def answered(here, share, seed):
    """Return answers that are right where the asked pair's own share says so."""
    g = torch.Generator().manual_seed(seed)
    draws = torch.rand(len(here.questions), generator=g).tolist()
    return "".join("1" if x < share[q[3]] else "0" for x, q in zip(draws, here.questions))


def test_a_floor_in_a_ratio_decides_nothing(tmp_path, monkeypatch):
    run, here = Run(tmp_path, scale="test"), asked_of(30)
    monkeypatch.setattr(judging, "build", lambda run: here)
    many, few = (
        [answered(here, dict.fromkeys(here.vocab.words, share), s) for s in range(3)]
        for share in (0.4, 0.1)
    )
    none = ["0" * len(here.questions)] * 3
    found = judging.times(run, many, none, "total", 320, above=1.5)
    assert found.verdict == "undecided"
    assert "answers none" in judging.decide(found)
    assert judging.times(run, many, few, "total", 320, above=1.5).verdict == "holds"


def test_intervals_are_over_runs_and_words(tmp_path, monkeypatch):
    # By the definition: each word left out in turn, with what it goes with; within each relation.
    run, here = Run(tmp_path, scale="test"), asked_of(6, ("one", "two"))
    monkeypatch.setattr(judging, "build", lambda run: here)
    g = torch.Generator().manual_seed(0)
    shares = [
        {word: float(torch.rand((), generator=g)) for word in here.vocab.words} for _ in range(2)
    ]
    ours, theirs = ([answered(here, share, s) for s in range(3)] for share in shares)
    among = [i % 4 != 1 for i in range(len(here.questions))]
    found = judging.spread(run, among, lambda a, b: a - b, ours, theirs)

    def difference(a, b, without=None):
        there = [x and without not in q for x, q in zip(among, here.questions)]
        return learn.percent(a, there) - learn.percent(b, there)

    seeds = [difference(a, b) for a, b in zip(ours, theirs)]
    assert abs(found.mean - sum(seeds) / 3) < 1e-9
    assert abs(found.runs - float(torch.tensor(seeds, dtype=torch.float64).var()) / 3) < 1e-9
    words = 0.0
    for kind in ("one", "two"):
        left = torch.tensor([
            [difference(a, b, f"{kind}-b{i}") for i in range(6)] for a, b in zip(ours, theirs)
        ], dtype=torch.float64)  # fmt: skip
        left -= left.mean(1, keepdim=True)
        for one, other in itertools.combinations(left, 2):  # what two seeds have in common
            words += float(5 / 6 * (one * other).sum() / 3)
    assert words > 0
    assert abs(found.words - words) < 1e-6
    assert found.asked == 12
    assert (found.high - found.low) / 2 > 1.96 * (words + found.runs) ** 0.5


def test_intervals_hold_the_true_value_as_often_as_they_say(tmp_path, monkeypatch):
    # Words differ in how much one model leads, seeds are coins: an interval over seeds alone holds
    # the mean over all words too seldom.
    run, here = Run(tmp_path, scale="test"), asked_of(20)
    monkeypatch.setattr(judging, "build", lambda run: here)
    word_Q = torch.tensor([int(q[3].rpartition("b")[2]) for q in here.questions])
    g, held, alone, times = torch.Generator().manual_seed(0), 0, 0, 100
    for _ in range(times):
        lead_Q = 0.1 + 0.6 * (torch.rand(20, generator=g) - 0.5)[word_Q]
        arms = [
            [
                "".join("1" if x else "0" for x in torch.rand(len(word_Q), generator=g) < share_Q)
                for _ in range(5)
            ]
            for share_Q in (0.4 + lead_Q, 0.4 + 0 * lead_Q)
        ]
        found = judging.spread(run, "total", lambda a, b: a - b, *arms)
        held += found.low < 10 < found.high
        among = learn.parts(here)["total"]
        over = interval([learn.percent(a, among) - learn.percent(b, among) for a, b in zip(*arms)])
        alone += over.low < 10 < over.high
    assert 0.88 <= held / times <= 0.99
    assert alone / times < 0.8


def test_the_same_answers_to_few_words_decide_less_than_to_many(tmp_path, monkeypatch):
    # Five seeds that agree: over seeds alone any difference would decide.
    run = Run(tmp_path, scale="test")
    verdicts = {}
    for n in (6, 60):
        here = asked_of(n)
        monkeypatch.setattr(judging, "build", lambda run, here=here: here)
        known = {q[3]: float(int(q[3].rpartition("b")[2]) % 3 > 0) for q in here.questions}
        other = {q[3]: float(int(q[3].rpartition("b")[2]) % 6 == 1) for q in here.questions}
        judged = judging.lead(
            run, [answered(here, known, 0)] * 5, [answered(here, other, 0)] * 5, "total", 320
        )
        assert judged.interval.mean > 10
        assert judged.interval.runs < 1e-12
        verdicts[n] = judged.verdict, judging.decide(judged)
    assert verdicts[6][0] == "undecided"
    assert "times as many words in the questions" in verdicts[6][1]
    assert verdicts[60] == ("holds", "")


def test_what_would_decide_an_interval_over_runs_and_words():
    near = judging.Spread(1.0, -0.1, 2.1, 5, runs=0.2, words=0.01, freedom=10**6)
    assert judging.needed_of(near, [0.0]) == "About 6 seeds a model."
    # Without words 1.96² · .2 · 5 = 3.8 would do, with them (1.96⁻² − .01)⁻¹ = 4.
    few = judging.Spread(1.0, -0.1, 2.1, 5, runs=0.01, words=0.3, freedom=10**6)
    assert "About 2 times as many words" in judging.needed_of(few, [0.0])
    assert "on the line" in judging.needed_of(few, [1.0])


def test_a_quarter_and_a_half_of_the_text_are_of_the_same_mixture(tmp_path):
    here = world.build(Run(tmp_path, scale="test"))
    sizes = [len(set(here.part(every)[1].tolist())) for every in (4, 2, 1)]
    assert sizes == [100, 200, 400]
    quarter, half = (set(here.part(every)[1].tolist()) for every in (4, 2))
    assert quarter < half
    assert {number // 5 % 2 for number in half} == {0}


def test_models_are_compared_with_the_same_kind_of_output(tmp_path):
    # "In our models, we use hierarchical softmax" (2013a, §2.1): else objectives would be compared.
    run = Run(tmp_path, scale="test")
    run.judge(architectures.more_accurate)
    run.judge(architectures.much_better)
    assert {key.partition("(")[0] for key in run.trials} == {"learn", "feedforward"}
    assert all("loss='hs'" in key for key in run.trials if key.startswith("learn"))


def test_clocked_runs_have_updates_of_equal_length(tmp_path):
    run = Run(tmp_path, scale="test")
    found = [objectives.seconds(run, loss, s) for loss in ("neg", "hs") for s in (False, True)]
    assert all(len(spent) == 2 and min(spent) > 0 for spent, _ in found)
    assert all("lr" not in key for key in run.trials if key.startswith("clocked"))


def test_a_claim_that_is_not_seen_is_measured_at_three_sizes(tmp_path):
    run = Run(tmp_path, scale="test")
    judged = Judgement("not seen at this scale", interval([1.0, 2.0]), "above", 5.0)
    found = judging.smaller(run, judged, {"tree": ("skip-gram", {"loss": "hs"})}, "total")
    words = [n for n, _ in found["tree"]]
    assert words == sorted(words)
    assert words[2] == world.build(run).words
    assert found["tree"][2][1] == learn.scores(run, "skip-gram", "total", 1, loss="hs")[0]
    assert sum("every=4" in key for key in run.trials) == 1
    held = Judgement("holds", interval([6.0, 7.0]), "above", 5.0)
    assert judging.smaller(run, held, {"tree": ("skip-gram", {})}, "total") == {}


def test_paths_are_carried_on_to_a_million_words():
    found = [{"path": p, "balanced": b} for p, b in ((9.0, 14.0), (9.5, 15.0), (9.7, 16.0))]
    least, most = paths.carried_on(found)
    bits = math.log2(1_000_000)
    assert math.isclose(most, bits / 9.7)
    assert math.isclose(least, bits / (9.7 + 0.2 * (bits - 16)))
    same = [{"path": 9.0, "balanced": 14.0}] * 3
    assert paths.carried_on(same) == (bits / 9, bits / 9)


def test_what_would_decide_is_reckoned_from_the_line_that_is_crossed():
    near = Judgement("undecided", interval([0.9, 1.0, 0.95]), "within", (0.86, 1.0))
    far = Judgement("undecided", interval([0.9, 1.0, 0.95]), "above", 0.0)
    assert judging.decide(near) == f"About {seeds_needed(near.interval, 1.0)} seeds a model."
    assert judging.decide(far) == "More text: one of the models answers none of these questions."


def test_a_rate_that_diverges_counts_as_nothing_and_is_listed(tmp_path, monkeypatch):
    run = Run(tmp_path, scale="default")

    def trial(function, lr, **settings):
        world_ = {"right": "1" * 10} if lr < 0.1 else {"right": "0" * 10, "diverged": "not finite"}
        if lr == 0.05:
            world_["right"] = "1" * 9 + "0"
        return world_

    monkeypatch.setattr(run, "trial", trial)
    best, tried = learn.tuned(run, "cbow")
    assert tried == [[0.0125, 100.0], [0.025, 100.0], [0.05, 100.0], [0.1, None]]
    assert best == 0.0125
    assert learn.chosen(best, tried) == "0.0125 of 4, at the edge of what was tried (0.1 diverged)"
    monkeypatch.setattr(learn, "tuned", lambda *_, **__: (0.1, []))
    with pytest.raises(RuntimeError, match=r"cbow, seed 3.*not finite"):
        learn.trained(run, "cbow", 3)


def test_lines_are_the_papers():
    assert round(judging.SLIGHT, 2) == 1.16
    assert round(1 / judging.SLIGHT, 2) == 0.86
    assert round(architectures.PAPERS, 1) == 29.7
    assert round(architectures.PAPERS**0.5, 2) == 5.45
    assert round(architectures.MUCH, 2) == 1.51
    total = [(8869 * a + 10675 * b) / 19544 for a, b in ((55, 59), (23, 53))]
    assert [round(t, 1) for t in total] == [57.2, 39.4]
    assert round((total[0] / total[1]) ** 0.5, 2) == 1.2
    table = [[13.4, 15.7, 18.6], [19.4, 23.1, 27.8], [23.2, 29.2, 35.3], [24.0, 30.1, 36.5]]
    assert all(c - b > b - a for a, b, c in table)  # C8: more text does not yet give less


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


def test_options_of_the_command_may_have_a_space(vectors, capsys):
    assert main(["king", "-", "man", "+", "woman", "--vectors", str(vectors), "--top", "1"]) == 0
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
