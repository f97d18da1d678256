"""The equations' gradients, the fast steps beside the readable ones, and what training does."""

import copy
import itertools
import pickle

import pytest
import torch
import torch.nn.functional as F

import lessons.word2vec as ours
from lessons.word2vec import exact, fast, training
from lessons.word2vec.config import PRESETS, Word2VecConfig

V, D, T = 30, 8, fast.RUN
generator = torch.Generator().manual_seed(0)
COUNTS = torch.arange(V, 0, -1)
TREE = ours.huffman(COUNTS)
NOISE = COUNTS.double() ** 0.75 / (COUNTS.double() ** 0.75).sum()


def randn(*shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def randint(high, *shape):
    return torch.randint(high, shape, generator=generator)


@pytest.fixture
def tables():
    return randn(V, D), randn(V, D)


# The objectives


def test_gradients_of_the_objectives():
    hidden, output, target, noise = randn(4, D), randn(V, D), randint(V, 4), randint(V, 4, 3)
    for loss in (
        lambda h, o: ours.softmax_loss(h, o, target),
        lambda h, o: ours.hierarchical_softmax_loss(h, o[:-1], target, TREE),
        lambda h, o: ours.negative_sampling_loss(h, o, target, noise),
        lambda h, o: ours.nce_loss(h, o, target, noise, NOISE),
    ):
        assert torch.autograd.gradcheck(loss, (hidden.requires_grad_(), output.requires_grad_()))


def test_probabilities_of_a_tree_add_up_to_one():
    # "It can be verified that Σ p(w | w_I) = 1" (2013b, below eq. 3)
    hidden, nodes = randn(1, D).expand(V, D), randn(V - 1, D)
    logs = -ours.hierarchical_softmax_loss(hidden, nodes, torch.arange(V), TREE)
    torch.testing.assert_close(logs.exp().sum().item(), 1.0)


def test_negative_sampling_is_binary_cross_entropy():
    hidden, output, target, noise = randn(6, D), randn(V, D), randint(V, 6), randint(V, 6, 5)
    rows = torch.cat([target[:, None], noise], 1)
    logits = torch.einsum("bkd,bd->bk", output[rows], hidden)
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1
    want = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
    torch.testing.assert_close(
        ours.negative_sampling_loss(hidden, output, target, noise).sum(), want
    )


def test_noise_contrastive_estimation_is_negative_sampling_with_scores_moved():
    # With the noise word's expected number of draws at 1 everywhere both are the same.
    hidden, output, target, noise = randn(6, D), randn(V, D), randint(V, 6), randint(V, 6, 5)
    uniform = torch.full((V,), 1 / 5, dtype=torch.float64)
    torch.testing.assert_close(
        ours.nce_loss(hidden, output, target, noise, uniform),
        ours.negative_sampling_loss(hidden, output, target, noise),
    )


def test_the_readmes_example():
    v, word, noise = (torch.tensor(x).double() for x in ([1.0, 0], [0.5, 0.5], [-0.2, 1]))
    sigma = torch.sigmoid(torch.stack([word @ v, noise @ v]))
    assert sigma.round(decimals=3).tolist() == [0.622, 0.45]
    v.requires_grad_()
    loss = ours.negative_sampling_loss(
        v[None], torch.stack([word, noise]), torch.tensor([0]), torch.tensor([[1]])
    )
    (slope,) = torch.autograd.grad(loss.sum(), v)
    assert (-slope).round(decimals=3).tolist() == [0.279, -0.261]


# Fast against readable


def runs(n_runs=3, window=2):
    """Return words, sentences and reach of some runs with their surroundings."""
    n = n_runs * T + 2 * window
    word = randint(V, n)
    sentence = torch.cat([torch.full((window,), -1), torch.arange(n - 2 * window) // 7,
                          torch.full((window,), -1)])  # fmt: skip
    sentence[-window - 5 : -window] = -1  # the text ends within the last run
    reach = 1 + randint(window, n)
    return word, sentence, reach, window


def pairs_of(word, sentence, reach, window):
    """Return the (context, middle) places of all pairs, by the words of the paper."""
    found = [
        (j, i)
        for i in range(window, len(word) - window)
        for j in range(i - int(reach[i]), i + int(reach[i]) + 1)
        if j != i and sentence[i] >= 0 and sentence[j] == sentence[i]
    ]
    return torch.tensor(found)


def stepped(tables, loss_of, lr):
    """Return the tables after a step of gradient descent by autograd."""
    leaves = [t.clone().requires_grad_() for t in tables]
    slopes = torch.autograd.grad(loss_of(*leaves), leaves)
    return [t - lr * s for t, s in zip(tables, slopes)]


@pytest.mark.parametrize("loss", ["neg", "nce"])
@pytest.mark.parametrize("n_runs", [1, 3])
def test_shared_noise_step_is_the_gradient_of_the_objective(tables, loss, n_runs):
    word, sentence, reach, w = runs(n_runs)
    pairs = pairs_of(word, sentence, reach, w)
    noise, negative = randint(V, n_runs, 4), 6
    shift = (negative * NOISE).log() if loss == "nce" else torch.zeros(V, dtype=torch.float64)

    def objective(inputs, outputs):
        context, middle = word[pairs[:, 0]], word[pairs[:, 1]]
        true = (inputs[context] * outputs[middle]).sum(1) - shift[middle]
        total = -F.logsigmoid(true).sum()
        for (_, i), c in zip(pairs.tolist(), context.tolist()):
            drawn = noise[(i - w) // T]  # those of the run; each counts negative/K times
            false = outputs[drawn] @ inputs[c] - shift[drawn]
            total = total - F.logsigmoid(-false).sum() * negative / 4
        return total

    want = stepped(tables, objective, 0.1)
    got = [t.clone() for t in tables]
    laid = fast.with_shared_noise(
        fast.runs_of(word, w), word[w:-w].view(n_runs, T), noise,
        fast.band(reach[w:-w].view(n_runs, T), fast.runs_of(sentence, w), w), negative, shift,
    )  # fmt: skip
    fast.step(*got, laid.at(0.1))
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b)


def windows(word, sentence, reach, w):
    offsets = torch.arange(-w, w + 1).abs()
    middle = slice(w, -w)
    context = (offsets <= reach[middle, None]) & (offsets > 0) & (sentence[middle, None] >= 0)
    context &= sentence.unfold(0, 2 * w + 1, 1) == sentence[middle, None]
    return word.unfold(0, 2 * w + 1, 1), context, word[middle]


@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("loss", ["hs", "neg", "nce", "softmax"])
def test_step_with_outputs_of_each_word_is_the_gradient(tables, loss, cbow, mean):
    word, sentence, reach, w = runs()
    inputs_NC, context, target = windows(word, sentence, reach, w)
    noise = randint(V, len(target), 5)
    nodes = tables[1][: V - 1] if loss == "hs" else tables[1]

    def objective(inputs, outputs):
        if cbow:
            model = ours.CBOW(ours.EmbeddingConfig(V, D, cbow_mean=mean), dtype=torch.float64)
            some = context.any(1)
            hidden = torch.func.functional_call(
                model, {"input.weight": inputs}, (inputs_NC[some], context[some])
            )
            t, k = target[some], noise[some]
        else:
            hidden = inputs[inputs_NC[context]]
            t = target[:, None].expand_as(inputs_NC)[context]
            k = noise[:, None].expand(-1, 2 * w + 1, -1)[context]
        if loss == "hs":
            return ours.hierarchical_softmax_loss(hidden, outputs, t, TREE).sum()
        if loss == "softmax":
            return ours.softmax_loss(hidden, outputs, t).sum()
        if loss == "nce":
            return ours.nce_loss(hidden, outputs, t, k, NOISE).sum()
        return ours.negative_sampling_loss(hidden, outputs, t, k).sum()

    want = stepped((tables[0], nodes), objective, 0.1)
    got = [tables[0].clone(), nodes.clone()]
    how = {"cbow": cbow, "cbow_mean": mean}
    if loss == "softmax":
        fast.softmax_step(*got, inputs_NC, context, target, 0.1, **how)
    else:
        if loss == "hs":
            row, code, weight = (part[target] for part in TREE)
            label = 1 - code.double()
        else:
            row = torch.cat([target[:, None], noise], 1)
            label, weight = torch.zeros(row.shape).double(), torch.ones(row.shape)
            label[:, 0] = 1
        shift = (5 * NOISE).log() if loss == "nce" else None
        laid = fast.with_own_outputs(inputs_NC, context, row, label, weight, **how, shift_V=shift)
        fast.step(*got, laid.at(0.1))
    torch.testing.assert_close(got[1], want[1])
    if cbow and mean:  # the whole step to each word, not its share of it: as in the code
        count = context.sum(1, keepdim=True).expand_as(context)
        alone = (inputs_NC[..., None] == torch.arange(V)).double()
        places = torch.einsum("nc,ncv->v", context.double(), alone) == 1  # context of one word
        row = torch.einsum("nc,ncv->v", (context * count).double(), alone)
        torch.testing.assert_close(
            (got[0] - tables[0])[places], (want[0] - tables[0])[places] * row[places, None]
        )
    else:
        torch.testing.assert_close(got[0], want[0])


@pytest.mark.parametrize("cbow", [False, True])
@pytest.mark.parametrize("loss", ["hs", "neg"])
def test_one_window_at_a_small_rate_is_the_published_loop(tables, loss, cbow):
    # A single word in the middle, outputs that differ: nothing is stepped twice but the output.
    words, lr = [3, 7, 1, 12, 9], 1e-6
    noise = torch.tensor([[20, 21, 22, 23, 24]])
    draws = iter(noise.flatten().tolist())
    outputs = (
        exact.tree_outputs(TREE) if loss == "hs" else exact.noise_outputs(lambda: next(draws), 5)
    )
    slow = [t.clone() for t in tables]
    draws = iter(noise.flatten().tolist() * 4)  # the same for each pair: shared by the window
    exact.train_sentence(words, *slow, outputs, [0, 0, 2, 0, 0], lr, cbow=cbow)
    quick = [t.clone() for t in tables]
    inputs = torch.tensor([words])
    context = torch.tensor([[True, True, False, True, True]])
    if loss == "hs":
        row, code, weight = (part[torch.tensor([1])] for part in TREE)
        label = 1 - code.double()
    else:
        row, label = torch.cat([torch.tensor([[1]]), noise], 1), torch.zeros(1, 6).double()
        label[:, 0], weight = 1, torch.ones(1, 6)
    laid = fast.with_own_outputs(inputs, context, row, label, weight, cbow=cbow)
    fast.step(*quick, laid.at(lr))
    for a, b, before in zip(slow, quick, tables):
        assert (b - before).abs().max() > 0
        torch.testing.assert_close((a - before) / lr, (b - before) / lr, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["skip-gram", "tree", "cbow"])
def test_a_row_whose_rates_add_up_to_more_than_the_limit_is_scaled_down_to_it(tables, kind):
    word, sentence, reach, w = runs(2)
    word[w : w + 8] = 7  # one word often
    noise = torch.full((2, 4), 3)
    input_NC, context, target = windows(word, sentence, reach, w)
    if kind == "skip-gram":
        band = fast.band(reach[w:-w].view(2, T), fast.runs_of(sentence, w), w)
        laid = fast.with_shared_noise(
            fast.runs_of(word, w), target.view(2, T), noise, band, 4, torch.zeros(V).double()
        )
    else:
        row = torch.cat([target[:, None], noise.repeat_interleave(T, 0)], 1)
        label = torch.zeros(row.shape).double()
        label[:, 0] = 1
        laid = fast.with_own_outputs(
            input_NC, context, row, label, torch.ones(row.shape), cbow=kind == "cbow"
        )
    each = len(laid.inputs) // 2  # two updates
    limit, lr = 1.53, 0.1  # no sum lies on it
    scaled, tally = fast.capped(laid.at(lr), limit, each)
    pairs = pairs_of(word, sentence, reach, w)
    sums = torch.zeros(2, 2, V).double()  # update, table, word
    for j, i in pairs.tolist():
        sums[(i - w) // T, 0, word[j]] += 5 * lr  # itself and four noise words
    for i in pairs[:, 1].unique().tolist():  # CBOW has one pair a word, skip-gram one a neighbour
        n = 1 if kind == "cbow" else int((pairs[:, 1] == i).sum())
        sums[(i - w) // T, 1, word[i]] += n * lr
        sums[(i - w) // T, 1, 3] += 4 * n * lr
    assert sums[0, 0, 7] > limit
    assert 0 < (sums > limit).sum() < (sums > 0).sum()
    torch.testing.assert_close(tally, torch.stack([sums[sums > limit].sum(), sums.sum()]))
    for update, whole, part in zip(sums, laid.at(lr).split(each), scaled.split(each)):
        plain, short = ([t.clone() for t in tables] for _ in range(2))
        fast.step(*plain, whole)
        fast.step(*short, part)
        for table, a, b, total in zip(tables, plain, short, update):
            share = (limit / total).clamp(max=1)[:, None]
            torch.testing.assert_close(b - table, (a - table) * share)
    same, tally = fast.capped(laid.at(lr), 1e9, each)
    assert same.input_scale is None
    assert tally[0] == 0


@pytest.mark.parametrize("cbow", [False, True])
def test_shorter_updates_come_nearer_to_the_published_loop(cbow):
    # The same words and noise; each word's noise is the same, so that updates of any length have
    # the same pairs. What is left at one word is the sum over its window.
    g = torch.Generator().manual_seed(1)
    word, noise = torch.randint(V, (64,), generator=g), torch.tensor([20, 21, 22])
    begin = [0.3 * torch.randn(V, D, generator=g, dtype=torch.float64) for _ in range(2)]
    w, lr = 2, 0.05
    slow = [t.clone() for t in begin]
    drawn = itertools.cycle(noise.tolist())
    outputs = exact.noise_outputs(lambda: next(drawn), 3)
    exact.train_sentence(word.tolist(), *slow, outputs, [w] * len(word), lr, cbow=cbow)
    padded = F.pad(word, (w, w))
    sentence = F.pad(torch.zeros(64), (w, w), value=-1)
    inputs, context, target = windows(padded, sentence, torch.full((68,), w), w)
    row = torch.cat([target[:, None], noise.expand(64, 3)], 1)
    weight = torch.cat([torch.ones(64, 1), (noise != target[:, None])], 1).double()
    label = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).expand(64, 4)
    own = fast.with_own_outputs(inputs, context, row, label, weight, cbow)
    moved = torch.cat([(b - a).flatten() for a, b in zip(begin, slow)]).norm()

    def distance(laid, n):
        quick = [t.clone() for t in begin]
        for pairs in laid.at(lr).split(n):
            fast.step(*quick, pairs)
        return float(torch.cat([(b - a).flatten() for a, b in zip(slow, quick)]).norm() / moved)

    far = [distance(own, n) for n in (64, 16, 4, 1)]
    if not cbow:  # runs of n words with noise in common are the same
        for n, want in zip((64, 16, 4, 1), far):
            band = fast.band(torch.full((64 // n, n), w), fast.runs_of(sentence, w, n), w)
            args = target.view(-1, n), noise.expand(64 // n, 3), band, 3
            zero = torch.zeros(V).double()
            laid = fast.with_shared_noise(fast.runs_of(padded, w, n), *args, zero, skip=True)
            assert abs(distance(laid, 1) - want) < 1e-12
    assert far == sorted(far, reverse=True)
    if cbow:
        assert far[3] < 1e-12  # one word is one pair here, and its outputs differ
        return
    assert far[3] < far[0] / 3
    lr, moved = lr / 10, moved / 10  # what is left is of second order in the rate
    slow = [t.clone() for t in begin]
    exact.train_sentence(word.tolist(), *slow, outputs, [w] * len(word), lr)
    assert distance(own, 1) < far[3] / 5


def test_a_noise_word_counts_for_no_pair_whose_target_it_is(tables):
    word, sentence, reach, w = runs(1)
    noise = torch.tensor([[int(word[w]), int(word[w + 1]), 2, 2]])
    pairs = pairs_of(word, sentence, reach, w)

    def objective(inputs, outputs):
        total = 0.0
        for j, i in pairs.tolist():
            scores = outputs @ inputs[word[j]]
            total = total - F.logsigmoid(scores[word[i]])
            for k in noise[0].tolist():
                if k != word[i]:
                    total = total - F.logsigmoid(-scores[k]) * 6 / 4
        return total

    got = [t.clone() for t in tables]
    band = fast.band(reach[w:-w][None], fast.runs_of(sentence, w), w)
    zero = torch.zeros(V).double()
    laid = fast.with_shared_noise(
        fast.runs_of(word, w), word[None, w:-w], noise, band, 6, zero, skip=True
    )
    fast.step(*got, laid.at(0.1))
    for a, b in zip(got, stepped(tables, objective, 0.1)):
        torch.testing.assert_close(a, b)


# Training as a whole


def test_an_update_is_short_where_one_word_is_much_of_the_text():
    def words(text, **changes):
        how = {"vector_size": 2, "sample": 0, "min_count": 1} | changes
        return ours.Word2Vec(**how).build_vocab(text).at_once

    flat = [[f"w{i}" for i in range(10_000)]]
    assert words(flat) == fast.RUN
    alone = [["a"] * 9 + ["b"]]  # steps of a, for each word: .9 · 6 pairs · 6 outputs · .025 = .81
    assert words(alone) == 2  # 2 · .81 < 2 < 4 · .81
    assert words(alone, alpha=0.1) == 1
    assert words(alone, shrink_windows=False, window=3) == 2
    assert words(alone, window=1, sg=0) == 4  # 2 pairs
    assert words(alone, loss="hs") == 8  # one node
    often = [["often", *(f"w{i}" for i in range(k, k + 9))] for k in range(0, 900, 9)]
    assert words(often) == fast.RUN
    assert words(often, alpha=0.05) == 8  # .1 · 36 · .05 = .18 a word
    assert words(often, alpha=0.05, sample=1e-3) == fast.RUN  # subsampled it is less


@pytest.mark.parametrize("sg", [0, 1])
@pytest.mark.parametrize("loss", ["neg", "nce", "hs"])
def test_ten_words_do_not_diverge_and_nothing_is_scaled_down_at_the_default_rate(sg, loss):
    model = ours.Word2Vec(vector_size=10, sg=sg, loss=loss, sample=0, seed=2).fit(toy(300))
    assert model.steps > 0
    assert model.damped == 0
    # The sequential loop keeps the vectors of such a text at a length of about 2.
    assert model.wv.vectors.norm(dim=1).max() < 6


def test_noise_is_drawn_from_its_distribution():
    model = ours.Word2Vec(vector_size=2, sample=0, epochs=1, min_count=1)
    model.fit([["a"] * 16 + ["b"], ["c"]])
    drawn = model._noise((40_000,), torch.Generator().manual_seed(0)).bincount(minlength=3)
    want = torch.tensor([16**0.75, 1, 1]) / (16**0.75 + 2)
    assert (drawn / 40_000 - want).abs().max() < 0.01


def test_subsampling_keeps_the_share_that_it_says():
    counts = {"a": 8000, "b": 1500, "c": 500}
    text = [[word] * n for word, n in counts.items()]
    model = ours.Word2Vec(vector_size=2, sample=0.05, epochs=2).fit(text)
    keep = model.vocab.subsample_keep(0.05)
    want = 2 * float((model.vocab.counts * keep).sum())
    assert abs(model.trained / want - 1) < 0.05


def test_a_border_between_chunks_costs_the_pairs_across_it_only(monkeypatch):
    text = [[f"w{i}" for i in range(100)]]
    how = {"vector_size": 2, "sample": 0, "epochs": 1, "min_count": 1, "shrink_windows": False}
    whole = ours.Word2Vec(**how, window=3).fit(text).pairs
    assert whole == 6 * 100 - 2 * (3 + 2 + 1)
    monkeypatch.setattr(training, "CHUNK", 40)
    parts = ours.Word2Vec(**how, window=3).fit(text)
    assert parts.trained == 100
    assert parts.pairs == whole - 2 * 2 * (3 + 2 + 1)


def toy(n=400, seed=0):
    """Return sentences in which words 0 to 4 go together, and 5 to 9."""
    g = torch.Generator().manual_seed(seed)
    side = torch.randint(2, (n, 1), generator=g)
    return [
        [f"w{i}" for i in row]
        for row in (5 * side + torch.randint(5, (n, 6), generator=g)).tolist()
    ]


def separation(model):
    """Return how much nearer words are that go together, as a difference of mean cosines."""
    order = [model.vocab[f"w{i}"] for i in range(10)]
    cosines = model.wv.unit[order] @ model.wv.unit[order].T
    same = torch.block_diag(torch.ones(5, 5), torch.ones(5, 5)).bool()
    return float(cosines[same & ~torch.eye(10).bool()].mean() - cosines[~same].mean())


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("sg", [0, 1])
@pytest.mark.parametrize("loss", ["neg", "nce", "hs", "softmax"])
def test_words_of_the_same_contexts_come_to_lie_together(engine, sg, loss):
    if engine == "exact" and loss in ("nce", "softmax"):
        with pytest.raises(ValueError, match="exact"):
            Word2VecConfig(engine="exact", loss=loss)
        return
    n, epochs, alpha = (60, 4, 0.2) if engine == "exact" else (400, 5, 0.1)
    model = ours.Word2Vec(
        vector_size=10, sg=sg, loss=loss, engine=engine, sample=0, epochs=epochs, alpha=alpha
    )
    model.fit(toy(n))
    assert separation(model) > 0.5


def test_same_seed_same_vectors_and_another_seed_others():
    one, two, other = (
        ours.Word2Vec(vector_size=8, seed=s).fit(toy(50)).wv.vectors for s in (3, 3, 4)
    )
    assert torch.equal(one, two)
    assert not torch.allclose(one, other)


def test_both_losses_of_the_code_together():
    model = ours.Word2Vec(vector_size=8, hs=1, negative=5, sample=0).fit(toy(50))
    assert model.config.losses == ("hs", "neg")
    assert len(model.nodes) == len(model.vocab) - 1
    assert len(model.net.output.weight) == len(model.vocab)
    assert model.nodes.abs().max() > 0
    assert model.net.output.weight.abs().max() > 0


def test_rate_falls_linearly_to_its_floor_and_all_words_are_read():
    seen = []

    class Watched(ours.Word2Vec):
        def _chunk(self, word, sentence, alpha, generator):
            seen.append((len(word), *alpha))
            super()._chunk(word, sentence, alpha, generator)

    Watched(vector_size=4, sample=0, epochs=2, alpha=0.5, min_alpha=0.1).fit(toy(20))
    assert [n for n, *_ in seen] == [120, 120]
    torch.testing.assert_close([a for _, *a in seen], [[0.5, 0.3], [0.3, 0.1]])


def test_windows_are_bounded_by_sentences_and_shrink():
    sentences = [["a", "b", "c"], ["d", "e"]]
    wide = ours.Word2Vec(vector_size=4, min_count=1, sample=0, epochs=1, shrink_windows=False)
    assert wide.fit(sentences).pairs == 3 * 2 + 2
    narrow = ours.Word2Vec(vector_size=4, min_count=1, sample=0, epochs=1, window=1)
    assert narrow.fit(sentences).pairs == 4 + 2
    # A window of 1 … 5 has 6 words on average where the text goes on.
    long = ours.Word2Vec(vector_size=4, min_count=1, sample=0, epochs=1)
    long.fit([[f"w{i % 101}" for i in range(20_000)]])  # no word is often
    assert abs(long.pairs / 20_000 - 6) < 0.1


def test_presets_are_those_of_papers_and_code():
    assert PRESETS["2013a-skip-gram"].window == 10
    assert PRESETS["2013a-cbow"].losses == ("hs",)
    assert PRESETS["2013b-neg-15"].negative == 15
    last = PRESETS["code-last"]
    assert (last.sg, last.vector_size, last.window, last.sample) == (0, 100, 5, 1e-3)
    assert (last.negative, last.hs, last.epochs, last.min_count, last.alpha) == (5, 0, 5, 5, 0.05)
    first = PRESETS["code-first"]
    assert (first.hs, first.negative, first.sample, first.cbow_mean) == (1, 0, 0, 0)
    for name in PRESETS:
        model = ours.Word2Vec.from_preset(name, vector_size=4, epochs=1, sample=0)
        model.fit(toy(30))
        assert torch.isfinite(model.wv.vectors).all(), name


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("news-neg", 415_200_000), ("news-hs", 415_199_700), ("google-news", 1_800_000_000),
        ("table-3", 104_959_360), ("table-5-300", 599_999_700), ("table-5-600", 1_199_999_400),
        ("table-6", 1_999_999_000),
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", [ours.SkipGram, ours.CBOW])
def test_sizes_of_presets(name, count, model):
    net = model.from_preset(name, device="meta")
    assert sum(p.numel() for p in net.parameters()) == count
    if name == "google-news":
        assert net.input.weight.numel() == 900_000_000


def test_presets_take_a_generator():
    net = ours.NNLM.from_preset("table-3", device="meta")
    # 82,000 words and 81,999 nodes of 640, a hidden layer of 8 · 640 by 640.
    assert sum(p.numel() for p in net.parameters()) == 163_999 * 640 + 8 * 640 * 640 + 640
    seeds = [
        ours.Word2Vec.from_preset("code-last", torch.Generator().manual_seed(k)).config.seed
        for k in (1, 1, 2)
    ]
    assert seeds[0] == seeds[1] != seeds[2]


def test_modules_stand_where_torch_modules_stand():
    config = ours.EmbeddingConfig(V, D)
    net = ours.CBOW(config, torch.Generator().manual_seed(1))
    again = ours.CBOW(config, torch.Generator().manual_seed(1))
    assert torch.equal(net.input.weight, again.input.weight)
    assert net.input.weight.abs().max() <= 0.5 / D
    assert not net.output.weight.any()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other.input.weight, net.input.weight)
    ids = randint(V, 5, 4)
    torch.testing.assert_close(net(ids), net.input.weight[ids].mean(1))
    assert net(ids[:0]).shape == (0, D)
    nothing = torch.zeros(5, 4, dtype=torch.bool)
    assert not net(ids, nothing).any()
    traced = torch.fx.symbolic_trace(ours.SkipGram(config))
    assert traced(ids).shape == (5, 4, D)
    batch = torch.export.Dim("batch", min=2, max=1000)
    program = torch.export.export(net, (ids, ids > 3), dynamic_shapes=({0: batch}, {0: batch}))
    more = randint(V, 9, 4)
    torch.testing.assert_close(program.module()(more, more > 3), net(more, more > 3))
    mapped = torch.vmap(net, in_dims=(0, 0))(ids, ids > 3)
    torch.testing.assert_close(mapped, net(ids, ids > 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.isfinite(net(ids)).all()


def test_the_feedforward_model_steps_along_its_gradient():
    config = ours.NNLMConfig(V, D, history=3, hidden_size=5)
    net = ours.NNLM(config, torch.Generator().manual_seed(0), dtype=torch.float64)
    assert sum(p.numel() for p in net.parameters()) == V * D + 3 * D * 5 + 5 + (V - 1) * 5
    with torch.no_grad():
        net.output.weight.normal_(generator=generator)
    before = copy.deepcopy(net)
    history, target = randint(V, 6, 3), randint(V, 6)
    tree = ours.Tree(TREE.points, TREE.codes.double(), TREE.mask)
    loss = ours.hierarchical_softmax_loss(
        before(history), before.output.weight, target, tree
    )  # fmt: skip
    loss.sum().backward()
    found = net.step(history, target, tree, 0.01)
    torch.testing.assert_close(found, loss.detach().mean())
    for (name, p), q in zip(before.named_parameters(), net.parameters()):
        torch.testing.assert_close(q, p - 0.01 * p.grad, msg=name)


def test_a_sentence_is_scored_by_its_surroundings():
    for loss in ("neg", "nce", "hs", "softmax"):
        model = ours.Word2Vec(vector_size=10, loss=loss, sample=0, alpha=0.1)
        model.fit(toy(400))
        fits, odd = (
            ours.sentence_score(model, ["w1", word, "w2", "unknown", "w0"], 1)
            for word in ("w3", "w8")
        )
        assert fits > odd, loss
    with pytest.raises(KeyError, match="w99"):
        ours.sentence_score(model, ["w1", "w99"], 1)
    with pytest.raises(ValueError, match="place among"):
        ours.sentence_score(model, ["w1", "w2"], 2)
    with pytest.raises(TypeError, match="a text"):
        ours.sentence_score(model, "w1 w2", 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ours.Word2Vec(hs=0, negative=0), ValueError, "nothing to train"),
        (lambda: ours.Word2Vec(vector_size=0), ValueError, "vector_size"),
        (lambda: ours.Word2Vec(window=0), ValueError, "window"),
        (lambda: ours.Word2Vec(negative=-1), ValueError, "negative"),
        (lambda: ours.Word2Vec(loss="nce", negative=0), ValueError, "negative"),
        (lambda: ours.Word2Vec(loss="softmax", hs=1), ValueError, "contradicts"),
        (lambda: ours.Word2Vec(loss="hinge"), ValueError, "loss"),
        (lambda: ours.Word2Vec(sg=2), ValueError, "sg must be 0 or 1"),
        (lambda: ours.Word2Vec(alpha=float("nan")), ValueError, "alpha"),
        (lambda: ours.Word2Vec(engine="gpu"), ValueError, "engine"),
        (lambda: ours.Word2Vec(vector_size=5.5), ValueError, "whole number, got 5.5"),
        (lambda: ours.Word2Vec(window=2.5), ValueError, "whole number"),
        (lambda: ours.Word2Vec(alpha=None), ValueError, "alpha must be a number"),
        (lambda: ours.Word2Vec(seed=2**64), ValueError, "64 bits"),
        (lambda: ours.Word2Vec(shrink_windows="no"), ValueError, "True or False"),
        (lambda: ours.Word2Vec(negative=2.5), ValueError, "whole number"),
        (lambda: ours.Word2Vec(ns_exponent=float("nan")), ValueError, "ns_exponent"),
        (lambda: ours.Word2Vec(alpha=0.01, min_alpha=0.02), ValueError, "not be above alpha"),
        (lambda: ours.Word2Vec([["a", "b"]]), TypeError, "sentences go to fit"),
        (lambda: ours.Word2Vec(size=5), TypeError, "size is no setting"),
        (lambda: ours.NNLM.from_preset("x"), ValueError, "table-3"),
        (lambda: ours.Word2Vec().fit("a text"), TypeError, "one text"),
        (lambda: ours.Word2Vec().fit(s for s in toy(3)), TypeError, "only once"),
        (lambda: ours.Word2Vec().build_vocab(toy(9)).train(iter(toy(9))), TypeError, "only once"),
        (lambda: ours.Word2Vec().build_vocab(toy(9)).train([["x"]]), ValueError, "known word"),
        (lambda: ours.Word2Vec().train(toy(3)), RuntimeError, "build_vocab"),
        (lambda: ours.Word2Vec().wv, RuntimeError, "no vectors"),
        (lambda: ours.Word2Vec.from_preset("2014"), ValueError, "2013a-cbow"),
        (lambda: ours.SkipGram.from_preset("x"), ValueError, "google-news"),
        (lambda: ours.SkipGram(30), TypeError, "EmbeddingConfig"),
        (lambda: ours.EmbeddingConfig(1, hierarchical=True), ValueError, "two words"),
        (lambda: ours.NNLMConfig(10, history=0), ValueError, "history"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_vectors_that_are_no_longer_finite_are_an_error_with_advice():
    model = ours.Word2Vec(vector_size=4, alpha=1e30, sample=0, epochs=3)
    model.limit = None
    with pytest.raises(RuntimeError, match=r"alpha = 1e\+30 is too high"):
        model.fit(toy(200))
