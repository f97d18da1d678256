"""Which word completes a sentence: one that predicts its surroundings (2013a, §4.5)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .objectives import hierarchical_softmax_loss, softmax_loss
from .training import Word2Vec


@torch.no_grad()
def sentence_score(model: Word2Vec, words: Sequence[str], blank: int) -> float:
    """Return the sum of the log probabilities of a sentence's other words, given one of its words.

    "we compute score of each sentence in the test set by using the unknown word at the input, and
    predict all surrounding words in a sentence." Of several words for the blank, the one with the
    highest score is the answer.

    Args:
        model: trained skip-gram. With a tree and with a softmax these are log probabilities; with
            negative sampling log σ(v′·v), with noise contrastive estimation v′·v, as there is no
            denominator.
        words: of the sentence; unknown ones beside the blank are passed over.
        blank: which of them stands in the blank.

    Raises:
        ValueError: a CBOW, no such place, or no known word beside it. KeyError: an unknown word in
        the blank.
    """
    if isinstance(words, str):
        raise TypeError(f"words must be a sequence of words, got a text: {words[:30]!r}")
    if model.vocab is None:
        raise RuntimeError("the model is not trained yet: call fit")
    if not model.config.sg:
        raise ValueError("a skip-gram is needed, got a CBOW: it predicts no surroundings")
    if not 0 <= blank < len(words):
        raise ValueError(f"blank must be a place among {len(words)} words, got {blank}")
    at, others = model.vocab[words[blank]], [*words[:blank], *words[blank + 1 :]]
    places = [model.vocab.index[word] for word in others if word in model.vocab]
    if not places:
        raise ValueError(f"no word beside {words[blank]!r} is known: {others}")
    device = model.net.input.weight.device
    target_B = torch.tensor(places, device=device)
    hidden_BD = model.net.input.weight[at].expand(len(places), -1)
    return float(log_probabilities(model, hidden_BD, target_B).sum())


def log_probabilities(model: Word2Vec, hidden_BD: Tensor, target_B: Tensor) -> Tensor:
    """Return what the model's objective says of each target."""
    if model.tree is not None:
        return -hierarchical_softmax_loss(hidden_BD, model.nodes, target_B, model.tree)
    output_VD = model.net.output.weight
    if model.config.loss == "softmax":
        return -softmax_loss(hidden_BD, output_VD, target_B)
    score_B = (output_VD[target_B] * hidden_BD).sum(1)
    return score_B if model.config.loss == "nce" else F.logsigmoid(score_B)
