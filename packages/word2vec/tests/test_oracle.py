"""Equality with gensim: training pair by pair, files, queries, phrases, the list of questions."""

import bisect
from pathlib import Path

import pytest
import torch

import lessons.word2vec as ours
from lessons.word2vec import exact, fast

pytest.importorskip("gensim", reason="pip install 'lessons-word2vec[test]'")

from gensim.models import KeyedVectors, Phrases, Word2Vec
from gensim.test.utils import datapath

WINDOW, ALPHA = 3, 0.025


def text(n=60, seed=0):
    """Return sentences of words by Zipf's law."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.multinomial(1 / torch.arange(1, 41.0), 9 * n, True, generator=generator)
    return [[f"w{i}" for i in row] for row in words.view(n, 9).tolist()]


def theirs(sentences, epochs=1, **options):
    model = Word2Vec(
        vector_size=12, window=WINDOW, min_count=1, workers=1, sample=0, shrink_windows=False,
        alpha=ALPHA, min_alpha=ALPHA, seed=1, **options,
    )  # fmt: skip
    model.build_vocab(sentences)
    before = {"vectors": model.wv.vectors.copy()}
    state = model.random.get_state()
    for _ in range(epochs):
        model.train(sentences, total_examples=len(sentences), epochs=1)
    return model, before, state


def tree_of(model):
    """Return gensim's own tree: of equal counts it may take another first."""
    pairs = [(model.wv.get_vecattr(w, "code"), model.wv.get_vecattr(w, "point"))
             for w in model.wv.index_to_key]  # fmt: skip
    longest = max(len(code) for code, _ in pairs)
    points = torch.zeros(len(pairs), longest, dtype=torch.int64)
    codes, mask = torch.zeros(len(pairs), longest), torch.zeros(len(pairs), longest).bool()
    for i, (code, point) in enumerate(pairs):
        points[i, : len(code)] = torch.tensor(point[: len(code)].astype("int64"))
        codes[i, : len(code)] = torch.tensor(code.astype("float32"))
        mask[i, : len(code)] = True
    return ours.Tree(points, codes, mask)


def draws(model, state):
    """Return a function that draws gensim's noise words."""
    model.random.set_state(state)
    high, low = (model.random.randint(0, 2**24) for _ in range(2))
    seed = (2**24 * high + low) % 2**48
    table = model.cum_table.tolist()

    def draw():
        nonlocal seed
        at = bisect.bisect_left(table, (seed >> 16) % table[-1])
        seed = (25214903917 * seed + 11) % 2**48
        return at

    return draw


@pytest.mark.parametrize("sg", [1, 0])
@pytest.mark.parametrize("loss", ["hs", "neg"])
def test_training_is_gensims_word_for_word(sg, loss):
    sentences = text()
    options = {"hs": 1, "negative": 0} if loss == "hs" else {"hs": 0, "negative": 5}
    model, before, state = theirs(sentences, sg=sg, **options)
    place = model.wv.key_to_index
    inputs = torch.tensor(before["vectors"]).double()
    if loss == "hs":
        outputs, want = exact.tree_outputs(tree_of(model)), model.syn1
    else:
        outputs, want = exact.noise_outputs(draws(model, state), 5), model.syn1neg
    table = torch.zeros(want.shape).double()
    for sentence in sentences:
        ids = [place[w] for w in sentence]
        exact.train_sentence(
            ids, inputs, table, outputs, [WINDOW] * len(ids), ALPHA, cbow=not sg,
            sigmoid=exact.table_sigmoid,
        )  # fmt: skip
    moved = abs(model.wv.vectors - before["vectors"]).max()
    assert moved > 1e-3
    for a, b in ((inputs, model.wv.vectors), (table, want)):
        torch.testing.assert_close(a, torch.tensor(b).double(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("sg", [1, 0])
def test_fast_steps_are_gensims(sg, monkeypatch):
    # One pair an update, with gensim's tree and its table for the logistic function. (A word drawn
    # twice as noise for one pair is stepped by a sum, so that there the table's bins can differ;
    # that a step with noise is the loop's, a test of training says.)
    monkeypatch.setattr(torch.Tensor, "sigmoid_", lambda x: x.apply_(exact.table_sigmoid))
    sentences = text(20)
    model, before, _ = theirs(sentences, sg=sg, hs=1, negative=0)
    place, tree = model.wv.key_to_index, tree_of(model)
    want = [torch.tensor(x).double() for x in (model.wv.vectors, model.syn1)]
    tables = [torch.tensor(before["vectors"]).double(), torch.zeros_like(want[1])]
    for sentence in sentences:
        ids = torch.tensor([place[w] for w in sentence])
        for i, word in enumerate(ids.tolist()):
            around = [j for j in range(max(0, i - WINDOW), i + WINDOW + 1) if j != i]
            around = [j for j in around if j < len(ids)]
            row, code, weight = (part[word][None] for part in tree)
            for group in [[j] for j in around] if sg else [around]:
                pairs = fast.with_own_outputs(
                    ids[group][None], torch.ones(1, len(group), dtype=torch.bool),
                    row, 1 - code.double(), weight, cbow=not sg,
                )  # fmt: skip
                fast.step(*tables, pairs.at(ALPHA))
    assert want[1].abs().max() > 1e-3
    for mine, other in zip(tables, want):
        torch.testing.assert_close(mine, other, rtol=0, atol=2e-5)


def test_vocabulary_noise_and_tree_are_gensims():
    sentences = text(300)
    model, _, _ = theirs(sentences, hs=1, negative=5)
    vocab = ours.Vocab.of(sentences, min_count=1)
    counts = [model.wv.get_vecattr(w, "count") for w in vocab.words]
    assert vocab.counts.tolist() == counts
    assert sorted(counts, reverse=True) == counts
    lengths = [len(model.wv.get_vecattr(w, "code")) for w in vocab.words]
    total = vocab.total
    mean = (vocab.huffman().lengths * vocab.counts).sum() / total
    assert mean == sum(a * b for a, b in zip(lengths, counts)) / total
    table = torch.tensor(model.cum_table.astype("int64")).double()
    order = [vocab.index[w] for w in model.wv.index_to_key]
    torch.testing.assert_close(vocab.noise()[order].cumsum(0), table / table[-1], rtol=0, atol=1e-6)
    keep = ours.Vocab.of(sentences, min_count=1).subsample_keep(1e-3, "c")
    model = Word2Vec(sentences, vector_size=2, min_count=1, sample=1e-3, workers=1, epochs=1)
    for word, share in zip(vocab.words, keep.tolist()):
        assert abs(model.wv.get_vecattr(word, "sample_int") / (2**32 - 1) - share) < 1e-6


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    model, _, _ = theirs(text(200), epochs=3, sg=1)
    path = tmp_path_factory.mktemp("gensim")
    model.wv.save_word2vec_format(path / "v.bin", binary=True)
    model.wv.save_word2vec_format(path / "v.txt")
    return model, path


@pytest.mark.parametrize("name", ["v.bin", "v.txt"])
def test_gensims_files_are_read_and_ours_by_gensim(vectors, name, tmp_path):
    model, path = vectors
    found = ours.load_word2vec_format(path / name)
    assert found.words == model.wv.index_to_key
    assert torch.equal(found.vectors, torch.tensor(model.wv.vectors))
    for line_ends in (True, False):
        ours.save_word2vec_format(tmp_path / "v", found, name == "v.bin", line_ends)
        again = KeyedVectors.load_word2vec_format(tmp_path / "v", binary=name == "v.bin")
        assert again.index_to_key == found.words
        assert (again.vectors == model.wv.vectors).all()


def test_queries_are_gensims(vectors):
    model, path = vectors
    kv = ours.load_word2vec_format(path / "v.bin")
    for positive, negative in ((["w1"], []), (["w1", "w2"], ["w3"]), (["w9"], ["w4", "w5"])):
        for method in ("most_similar", "most_similar_cosmul"):
            mine = getattr(kv, method)(positive, negative)
            want = getattr(model.wv, method)(positive=positive, negative=negative)
            assert [w for w, _ in mine] == [w for w, _ in want], method
            assert max(abs(a - b) for (_, a), (_, b) in zip(mine, want)) < 2e-5
    assert abs(kv.similarity("w1", "w7") - model.wv.similarity("w1", "w7")) < 1e-6
    words = ["w1", "w2", "w3", "w4"]
    assert kv.doesnt_match(words) == model.wv.doesnt_match(words)


def test_a_list_of_questions_is_scored_as_gensim_does(vectors, tmp_path):
    model, path = vectors
    kv = ours.load_word2vec_format(path / "v.bin")
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(40, (200, 4), generator=generator).tolist()
    lines = [": one", *(" ".join(f"W{i}" for i in row) for row in rows[:100] if len(set(row)) == 4)]
    lines += [
        ": two",
        *(" ".join(f"w{i}" for i in row) for row in rows[100:] if len(set(row)) == 4),
    ]
    (tmp_path / "q.txt").write_text("\n".join([*lines, "w1 w2 w3 unknown"]) + "\n")
    for restrict in (300_000, 20):
        score, sections = kv.evaluate_word_analogies(tmp_path / "q.txt", restrict)
        want, theirs_ = model.wv.evaluate_word_analogies(
            str(tmp_path / "q.txt"), restrict_vocab=restrict
        )
        assert abs(score - want) < 1e-12
        for mine, other in zip(sections, theirs_):
            assert len(mine.correct) == len(other["correct"])
            assert len(mine.incorrect) == len(other["incorrect"])


@pytest.mark.parametrize("name", ["wordsim353.tsv", "simlex999.txt"])
def test_judgements_are_compared_as_gensim_does(name):
    generator = torch.Generator().manual_seed(0)
    lines = [line.split("\t") for line in Path(datapath(name)).read_text().splitlines()]
    words = sorted({w.lower() for line in lines if len(line) > 2 for w in line[:2]} - {"word1"})
    kv = ours.KeyedVectors(words[::2], torch.randn(len(words[::2]), 5, generator=generator))
    other = KeyedVectors(5)
    other.add_vectors(kv.words, kv.vectors.numpy())
    rho, n, left_out = kv.evaluate_word_pairs(datapath(name))
    _, spearman, missing = other.evaluate_word_pairs(datapath(name))
    assert abs(rho - spearman.statistic) < 1e-6
    assert abs(100 * left_out / (n + left_out) - missing) < 0.5


def test_the_published_list_has_its_published_sizes():
    sections = dict(ours.read_questions(datapath("questions-words.txt")))
    counts = {name: len(questions) for name, questions in sections.items()}
    assert counts == {
        "capital-common-countries": 506, "capital-world": 4524, "currency": 866,
        "city-in-state": 2467, "family": 506, "gram1-adjective-to-adverb": 992,
        "gram2-opposite": 812, "gram3-comparative": 1332, "gram4-superlative": 1122,
        "gram5-present-participle": 1056, "gram6-nationality-adjective": 1599,
        "gram7-past-tense": 1560, "gram8-plural": 1332, "gram9-plural-verbs": 870,
    }  # fmt: skip
    syntactic = sum(n for name, n in counts.items() if name.startswith("gram"))
    assert (sum(counts.values()) - syntactic, syntactic) == (8869, 10675)  # 2013a, §4.1


def test_phrases_are_gensims():
    sentences = text(400)
    for connector in ((), ("w0", "w3")):
        other = Phrases(sentences, min_count=2, threshold=0.5, connector_words=frozenset(connector))
        mine = ours.Phrases(2, 0.5, "gensim", connector_words=connector).learn(sentences)
        want = other.export_phrases()
        assert want
        assert set(mine.found()) == set(want)
        for phrase, score in want.items():
            assert abs(mine.score(tuple(phrase.split("_"))) / score - 1) < 1e-12
        assert [mine.apply(s) for s in sentences] == [other[s] for s in sentences]
