"""Training as published: one pair of words after another, its gradient by hand.

This is the specification, and a thousand times slower than `lessons.word2vec.fast`. Like the
released code it has the *context* word at the input and the word in the middle at the output.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .vocabulary import Tree

Sigmoid = Callable[[float], float | None]  # None: this output is skipped
Outputs = Callable[[int], Iterator[tuple[int, float]]]  # of a word: (row, label) in turn


def sigmoid(x: float) -> float:
    """Return 1/(1 + exp(−x))."""
    return 0.5 * (1 + math.tanh(x / 2))


def table_sigmoid(x: float) -> float | None:
    """Return the logistic function as gensim has it: looked up, and None beyond ±6.

    1,000 entries for −6 … 6; the index is that of an integer division, 1000/6/2 = 83. The released
    code has the same table. Beyond ±6 its hierarchical softmax skips too, but its negative sampling
    takes 1 and 0 for the function, and steps.
    """
    if abs(x) >= 6:
        return None
    return sigmoid((int((x + 6) * 83) / 1000 * 2 - 1) * 6)


def tree_outputs(tree: Tree) -> Outputs:
    """Return for each word the inner nodes on its path, with label 1 for branch 0."""
    points, codes, lengths = tree.points.tolist(), tree.codes.tolist(), tree.lengths

    def outputs(word: int) -> Iterator[tuple[int, float]]:
        for j in range(int(lengths[word])):
            yield points[word][j], 1 - codes[word][j]

    return outputs


def noise_outputs(draw: Callable[[], int], negative: int) -> Outputs:
    """Return for each word the word itself, with label 1, and noise words, with label 0.

    A noise word that is the word itself is skipped, as in the released code.
    """

    def outputs(word: int) -> Iterator[tuple[int, float]]:
        yield word, 1.0
        for _ in range(negative):
            noise = draw()
            if noise != word:
                yield noise, 0.0

    return outputs


def learn(
    hidden_D: Tensor,
    output_VD: Tensor,
    outputs: Iterator[tuple[int, float]],
    lr: float,
    sigmoid: Sigmoid = sigmoid,
) -> Tensor:
    """Step the output vectors of one word; return the step of what was at the input.

    For each output (label y, vector v′) with s = v′·v, the log likelihood
    y log σ(s) + (1 − y) log σ(−s) has the derivative y − σ(s) by s, hence (y − σ(s)) v′ by v and
    (y − σ(s)) v by v′.

    Args:
        hidden_D: v.
        output_VD: all v′, changed in place.
        outputs: rows and labels.
        lr: step size.
        sigmoid: the logistic function, or `table_sigmoid`.
    """
    step_D = torch.zeros_like(hidden_D)
    for row, label in outputs:
        probability = sigmoid(float(output_VD[row] @ hidden_D))
        if probability is not None:
            g = lr * (label - probability)
            step_D += g * output_VD[row]
            output_VD[row] += g * hidden_D
    return step_D


@torch.no_grad()
def train_sentence(
    words: list[int],
    input_VD: Tensor,
    output_VD: Tensor,
    outputs: Outputs,
    windows: list[int],
    lr: float,
    cbow: bool = False,
    cbow_mean: bool = True,
    sigmoid: Sigmoid = sigmoid,
) -> None:
    """Train on one sentence, in place.

    Args:
        words: places in the vocabulary.
        input_VD: the table of words.
        output_VD: the table of words or of inner nodes.
        outputs: from `tree_outputs` or `noise_outputs`.
        windows: for each word, how many to each side are its context.
        lr: step size.
        cbow: predict the word from its context's mean; else from each of its words (skip-gram).
        cbow_mean: whether a mean or a sum. Either way each word of the context gets the whole
            step, as in the released code; the derivative of a mean would have it divided.
        sigmoid: `sigmoid` or `table_sigmoid`.
    """
    for i, word in enumerate(words):
        around = range(max(0, i - windows[i]), min(len(words), i + windows[i] + 1))
        context = [words[j] for j in around if j != i]
        if cbow and context:
            hidden_D = input_VD[context].sum(0)
            hidden_D = hidden_D / len(context) if cbow_mean else hidden_D
            step_D = learn(hidden_D, output_VD, outputs(word), lr, sigmoid)
            for other in context:
                input_VD[other] += step_D
        elif not cbow:
            for other in context:
                input_VD[other] += learn(input_VD[other], output_VD, outputs(word), lr, sigmoid)
