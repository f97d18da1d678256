"""Training: epochs, windows, subsampling, noise, the falling rate (2013a, §3, §4.2)."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from . import exact, fast
from .config import PRESETS, Word2VecConfig
from .models import CBOW, EmbeddingConfig, SkipGram
from .vectors import KeyedVectors
from .vocabulary import Tree, Vocab

CHUNK = 2**16  # words that are read at once
BLOCK = 2**12  # words whose pairs are laid out at once
SHARED = 32  # noise words of a run
# What the rates of the most frequent word's steps add up to in an update, on average, at most; and
# what any row's may add up to before they are scaled down. See `Word2Vec.at_once`, `fast.capped`.
OFTEN, LIMIT = 2.0, 8.0


class Word2Vec:
    """Word vectors from sentences.

    Args:
        config: settings; None is the default. (Sentences, which gensim has here, go to `fit`.)
        changes: fields of the config to replace.

    ``Word2Vec(vector_size=50).fit(sentences).wv.most_similar("king")``
    """

    def __init__(self, config: Word2VecConfig | None = None, **changes) -> None:
        if config is not None and not isinstance(config, Word2VecConfig):
            what = f"config must be a Word2VecConfig, got {type(config).__name__}"
            raise TypeError(f"{what}: sentences go to fit, as in Word2Vec(window=5).fit(sentences)")
        fields = [field.name for field in dataclasses.fields(Word2VecConfig)]
        if wrong := [name for name in changes if name not in fields]:
            raise TypeError(f"{wrong[0]} is no setting: there are {', '.join(fields)}")
        self.config = dataclasses.replace(config or Word2VecConfig(), **changes)
        self.vocab: Vocab | None = None

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, **changes
    ) -> "Word2Vec":
        """Return the training of one of `PRESETS`.

        Args:
            name: of the preset.
            generator: draws the seed, if one is given.
            changes: fields of the config to replace.
        """
        if generator is not None:
            changes["seed"] = int(torch.randint(2**31, (), generator=generator))
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        return cls(PRESETS[name], **changes)

    def build_vocab(self, sentences: Iterable[Sequence[str]] | Vocab, device="cpu") -> "Word2Vec":
        """Count words, encode the text, and draw the first vectors.

        Args:
            sentences: sequences of words, which can be read twice; or a vocabulary that is ready,
                in which case `train` is told what to read.
            device: where the vectors live.

        Raises:
            TypeError: texts in the place of words, or an iterator, which can be read once only.
        """
        c = self.config
        self.text: tuple[Tensor, Tensor] | None = None  # what `Vocab.encode` returned
        if isinstance(sentences, Vocab):
            vocab = sentences
        else:
            if isinstance(sentences, Iterator):
                raise TypeError(
                    f"sentences is a {type(sentences).__name__}, which can be read only once, and "
                    "is read for counting and for training: pass a list, or an object whose "
                    "__iter__ begins anew"
                )
            vocab = Vocab.of(sentences, min_count=c.min_count, max_size=c.max_vocab)
            self.text = vocab.encode(sentences)
        generator, only_hs = torch.Generator(device).manual_seed(c.seed), c.losses == ("hs",)
        sizes = EmbeddingConfig(len(vocab), c.vector_size, only_hs, bool(c.cbow_mean))
        self.net = (SkipGram if c.sg else CBOW)(sizes, generator, device=device)
        self.net.requires_grad_(False)
        self.tree: Tree | None = None
        if "hs" in c.losses:
            self.tree = vocab.huffman().to(device)
            # With both losses the words have output vectors of their own, beside the nodes.
            self.nodes = self.net.output.weight if only_hs else torch.zeros(
                len(vocab) - 1, c.vector_size, device=device
            )  # fmt: skip
        self.vocab = vocab
        return self

    def fit(self, sentences: Iterable[Sequence[str]], device="cpu", track=None) -> "Word2Vec":
        """Build the vocabulary and train."""
        return self.build_vocab(sentences, device).train(track=track)

    def train(
        self,
        sentences: Iterable[Sequence[str]] | None = None,
        track: Callable | None = None,
        text: tuple[Tensor, Tensor] | None = None,
    ) -> "Word2Vec":
        """Train for all epochs.

        Args:
            sentences: what to read; None is what the vocabulary was built from.
            track: called with an iterable and a text, shows progress while it is iterated over.
            text: in the place of sentences, what `Vocab.encode` returned of them.

        Raises:
            RuntimeError: no vocabulary yet, or vectors that are no longer finite.
            ValueError: no word of the sentences is known.
        """
        if self.vocab is None:
            raise RuntimeError("there is no vocabulary yet: call build_vocab, or fit")
        if sentences is None:
            text = text or self.text
        elif isinstance(sentences, Iterator) and self.config.epochs > 1:
            raise TypeError(
                f"sentences can be read only once, and {self.config.epochs} epochs are asked for: "
                "pass a list"
            )
        else:
            text = self.vocab.encode(sentences)
        if text is None or not len(text[0]):
            raise ValueError("there is no word to train on: no sentence has a known word")
        self._train(self.vocab, *text, track)
        return self

    def _train(self, vocab: Vocab, ids: Tensor, numbers: Tensor, track: Callable | None) -> None:
        """Train on a text by the places of its words."""
        c, device = self.config, self.net.input.weight.device
        # Drawn on the CPU, so that every device sees the same text in the same order.
        generator = torch.Generator().manual_seed(c.seed + 1)
        keep_V = vocab.subsample_keep(c.sample, c.subsample).float()
        noise_V = vocab.noise(c.ns_exponent)
        self.cumulative_V = noise_V.cumsum(0)
        self.shift_V = (c.negative * noise_V).log().float().to(device) if c.loss == "nce" else None
        self.trained = self.pairs = 0  # words that were not skipped, and pairs of them
        self.tally_2 = torch.zeros(2, device=device)  # a chunk's; see `fast.add`
        self.divided = self.steps = 0.0
        read, total = 0, c.epochs * len(ids)
        for epoch in range(c.epochs):
            starts = range(0, len(ids), CHUNK)
            what = f"epoch {epoch + 1} of {c.epochs}"
            for start in track(starts, what) if track else starts:
                part = slice(start, start + CHUNK)
                word_N, sentence_N = ids[part].long(), numbers[part]
                after = read + len(word_N)
                if c.sample > 0:
                    stays = torch.rand(len(word_N), generator=generator) < keep_V[word_N]
                    word_N, sentence_N = word_N[stays], sentence_N[stays]
                alpha = [
                    max(c.min_alpha, c.alpha - (c.alpha - c.min_alpha) * done / total)
                    for done in (read, after)
                ]
                self.trained += len(word_N)
                self._chunk(word_N, sentence_N, alpha, generator)
                divided, steps = self.tally_2.tolist()
                self.divided, self.steps = self.divided + divided, self.steps + steps
                self.tally_2.zero_()
                read = after
                if not torch.isfinite(self.net.input.weight.sum()):
                    raise RuntimeError(
                        f"vectors are not finite after {read:,} words: alpha = {c.alpha} is too "
                        "high, or its steps add up to too much in an update (limit)"
                    )

    @property
    def wv(self) -> KeyedVectors:
        """Return the words with their input vectors."""
        if self.vocab is None:
            raise RuntimeError("there are no vectors yet: call build_vocab, or fit")
        return KeyedVectors(self.vocab.words, self.net.input.weight, self.vocab.counts)

    @property
    def damped(self) -> float:
        """Return the share of steps whose row was scaled down in its update (``limit``)."""
        return self.divided / max(1.0, self.steps)

    limit: float | None = LIMIT

    @property
    def at_once(self) -> int:
        """Return how many words an update has: 16, or fewer where one word is much of the text.

        A word that stands in the text with share f is, for each word that is read, stepped
        f · (pairs a word) · (outputs a pair) times, as an input.
        """
        c = self.config
        if self.vocab is None or c.losses == ("softmax",):
            return fast.RUN
        share_V = self.vocab.counts * self.vocab.subsample_keep(c.sample, c.subsample)
        outputs = (c.negative + 1) * bool({"neg", "nce"} & set(c.losses))
        if self.tree is not None:
            outputs += float((share_V * self.tree.lengths.cpu()).sum() / share_V.sum())
        pairs = c.window + 1 if c.shrink_windows else 2 * c.window
        rate = c.alpha * pairs * outputs * float(share_V.max() / share_V.sum())
        n = fast.RUN
        while n > 1 and n * rate > OFTEN:
            n //= 2
        return n

    def _chunk(self, word_N: Tensor, sentence_N: Tensor, alpha, generator) -> None:
        """Train on some text with a rate that falls from alpha[0] to alpha[1]."""
        c = self.config
        reach_N = torch.full((len(word_N),), c.window)
        if c.shrink_windows:
            reach_N = torch.randint(1, c.window + 1, (len(word_N),), generator=generator)
        if c.engine == "exact":
            self._exactly(word_N, sentence_N, reach_N, alpha, generator)
            return
        device, n = self.net.input.weight.device, self.at_once
        text = [
            torch.nn.functional.pad(x, (c.window, c.window + -len(x) % n), value=fill).to(device)
            for x, fill in ((word_N, 0), (sentence_N, -1), (reach_N, 0))
        ]
        length = len(text[0]) - 2 * c.window
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            at = torch.arange(start, end, n, device=device) / length
            rate_U = alpha[0] + (alpha[1] - alpha[0]) * at  # of each update
            block = [x[start : end + 2 * c.window] for x in text]
            if c.loss == "softmax":
                self._softmax(*block, rate_U.tolist())
                continue
            tables, laid = [], []
            for table_VD, pairs in self._pairs(*block, n, generator):
                each = len(pairs.inputs) // len(rate_U)  # runs of an update
                pairs = pairs.at(rate_U.repeat_interleave(each)[:, None, None])
                if self.limit is not None:
                    pairs, tally_2 = fast.capped(pairs, self.limit, each)
                    self.tally_2 += tally_2
                tables.append(table_VD)
                laid.append(pairs.split(each))
            for updates in zip(*laid):
                for table_VD, pairs in zip(tables, updates):
                    fast.step(self.net.input.weight, table_VD, pairs)

    def _pairs(self, word: Tensor, sentence: Tensor, reach: Tensor, n: int, generator):
        """Yield each output table with the pairs of some words with ``window`` more at each end."""
        c, w = self.config, self.config.window
        if c.sg and c.losses in (("neg",), ("nce",)):
            target_BT, reach_BT = (x[w : len(x) - w].view(-1, n) for x in (word, reach))
            band_BST = fast.band(reach_BT, fast.runs_of(sentence, w, n), w)
            noise_BK = self._noise((len(target_BT), SHARED), generator).to(word.device)
            self.pairs += int(band_BST.sum())
            yield self.net.output.weight, fast.with_shared_noise(
                fast.runs_of(word, w, n), target_BT, noise_BK, band_BST, c.negative,
                self.shift_V, skip=c.loss != "nce",
            )  # fmt: skip
            return
        input_NC, context_NC, target_N = self._windows(word, sentence, reach)
        self.pairs += int(context_NC.sum() if c.sg else context_NC.any(1).sum())
        how: dict[str, Any] = {"cbow": not c.sg, "cbow_mean": bool(c.cbow_mean)}
        if self.tree is not None:
            row_NL, code_NL, weight_NL = (part[target_N] for part in self.tree)
            label_NL = 1 - code_NL.to(self.net.input.weight)
            yield (
                self.nodes,
                fast.with_own_outputs(input_NC, context_NC, row_NL, label_NL, weight_NL, **how),
            )
        if {"neg", "nce"} & set(c.losses):
            noise_NK = self._noise((len(target_N), c.negative), generator).to(word.device)
            row_NL = torch.cat([target_N[:, None], noise_NK], 1)
            label_NL = torch.zeros(row_NL.shape, device=word.device)
            label_NL[:, 0] = 1
            weight_NL = torch.ones_like(label_NL)
            if c.loss != "nce":  # as in the released code; estimation needs all draws
                weight_NL[:, 1:] = noise_NK != target_N[:, None]
            yield (
                self.net.output.weight,
                fast.with_own_outputs(
                    input_NC, context_NC, row_NL, label_NL, weight_NL, shift_V=self.shift_V, **how
                ),
            )

    def _windows(self, word: Tensor, sentence: Tensor, reach: Tensor):
        """Return the words around each word, which of them are its context, and the words."""
        w = self.config.window
        middle = slice(w, len(word) - w)
        offset_C = torch.arange(-w, w + 1, device=word.device).abs()
        context_NC = (offset_C <= reach[middle, None]) & (offset_C > 0)
        context_NC &= sentence.unfold(0, 2 * w + 1, 1) == sentence[middle, None]
        context_NC &= sentence[middle, None] >= 0
        return word.unfold(0, 2 * w + 1, 1), context_NC, word[middle]

    def _softmax(self, word: Tensor, sentence: Tensor, reach: Tensor, rates: list[float]) -> None:
        """Take the steps of the full softmax on some words with ``window`` more at each end."""
        c = self.config
        input_NC, context_NC, target_N = self._windows(word, sentence, reach)
        self.pairs += int(context_NC.sum() if c.sg else context_NC.any(1).sum())
        for i, lr in enumerate(rates):
            part = slice(i * fast.RUN, (i + 1) * fast.RUN)
            fast.softmax_step(
                self.net.input.weight, self.net.output.weight, input_NC[part], context_NC[part],
                target_N[part], lr, cbow=not c.sg, cbow_mean=bool(c.cbow_mean),
            )  # fmt: skip

    def _noise(self, shape: tuple[int, ...], generator) -> Tensor:
        """Draw noise words."""
        at = torch.rand(shape, generator=generator, dtype=torch.float64)
        return torch.searchsorted(self.cumulative_V, at).clamp(max=len(self.cumulative_V) - 1)

    def _exactly(self, word_N, sentence_N, reach_N, alpha, generator) -> None:
        """Train on some text one pair after another."""
        c, done, outputs = self.config, 0, []
        if self.tree is not None:
            outputs.append((self.nodes, exact.tree_outputs(self.tree)))
        if "neg" in c.losses:

            def draw() -> int:
                return int(self._noise((1,), generator))

            outputs.append((self.net.output.weight, exact.noise_outputs(draw, c.negative)))
        for n in sentence_N.unique_consecutive(return_counts=True)[1].tolist():
            words, reach = (x[done : done + n].tolist() for x in (word_N, reach_N))
            lr = alpha[0] + (alpha[1] - alpha[0]) * done / len(word_N)
            for table_VD, of in outputs:
                exact.train_sentence(
                    words, self.net.input.weight, table_VD, of, reach, lr,
                    cbow=not c.sg, cbow_mean=bool(c.cbow_mean),
                )  # fmt: skip
            done += n
