"""What is maximized: the log probability of a word, and three ways to avoid its denominator.

Each function is the paper's equation as it stands, for autograd; `lessons.word2vec.fast` has the
same in closed form, and the tests hold them equal.

Shapes: B cases, D dimensions, V words, K noise words, L longest path.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .vocabulary import Tree


def softmax_loss(hidden_BD: Tensor, output_VD: Tensor, target_B: Tensor) -> Tensor:
    """Return −log p(target | hidden) of each case under the full softmax.

    Source: 2013b, eq. 2.
    """
    return F.cross_entropy(hidden_BD @ output_VD.T, target_B, reduction="none")


def hierarchical_softmax_loss(
    hidden_BD: Tensor, nodes_VD: Tensor, target_B: Tensor, tree: Tree
) -> Tensor:
    """Return −log p(target | hidden) of each case: a decision at every inner node of a path.

    Args:
        hidden_BD: vectors of the input words.
        nodes_VD: a vector for each of the V − 1 inner nodes.
        target_B: words.
        tree: from `huffman`.

    Source: 2013b, eq. 3. Branch 0 has probability σ(v′·v), branch 1 σ(−v′·v), as in the code.
    """
    nodes_BLD = nodes_VD[tree.points[target_B]]
    scores_BL = (nodes_BLD @ hidden_BD[:, :, None]).squeeze(2)
    signs_BL = 1 - 2 * tree.codes[target_B].to(scores_BL)
    steps_BL = F.logsigmoid(signs_BL * scores_BL) * tree.mask[target_B]
    return -steps_BL.sum(1)


def negative_sampling_loss(
    hidden_BD: Tensor, output_VD: Tensor, target_B: Tensor, noise_BK: Tensor
) -> Tensor:
    """Return the negative of −log σ's sum: tell the word that is there from noise words.

    Args:
        hidden_BD: vectors of the input words.
        output_VD: output vectors.
        target_B: words that are there.
        noise_BK: words drawn from the noise distribution.

    Source: 2013b, eq. 4. The equation keeps a noise word that happens to be the target; the
    released code skips it.
    """
    true_B, false_BK = scores(hidden_BD, output_VD, target_B, noise_BK)
    return -F.logsigmoid(true_B) - F.logsigmoid(-false_BK).sum(1)


def nce_loss(
    hidden_BD: Tensor, output_VD: Tensor, target_B: Tensor, noise_BK: Tensor, noise_V: Tensor
) -> Tensor:
    """Return the loss of noise contrastive estimation.

    As negative sampling, but a score is compared with the logarithm of how often k draws give the
    word, log(k Pₙ(w)). Where that is optimal, scores are log probabilities.

    Args:
        hidden_BD: vectors of the input words.
        output_VD: output vectors.
        target_B: words that are there.
        noise_BK: words drawn from the noise distribution.
        noise_V: that distribution, Pₙ.

    Source: 2013b, §2.2; Gutmann and Hyvärinen 2012; Mnih and Teh 2012.
    """
    true_B, false_BK = scores(hidden_BD, output_VD, target_B, noise_BK)
    expected_V = (noise_BK.shape[1] * noise_V).log().to(hidden_BD)
    true_B, false_BK = true_B - expected_V[target_B], false_BK - expected_V[noise_BK]
    return -F.logsigmoid(true_B) - F.logsigmoid(-false_BK).sum(1)


def scores(
    hidden_BD: Tensor, output_VD: Tensor, target_B: Tensor, noise_BK: Tensor
) -> tuple[Tensor, Tensor]:
    """Return v′·v of the targets and of the noise words."""
    true_B = (output_VD[target_B] * hidden_BD).sum(1)
    return true_B, torch.einsum("bkd,bd->bk", output_VD[noise_BK], hidden_BD)
