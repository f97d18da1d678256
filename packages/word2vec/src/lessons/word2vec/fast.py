"""The same steps for some words at once: gradients in closed form, as matrix products.

Two things are shared. A run of T neighbouring words is an input to each other, so their vectors
are fetched once, and all scores between them are one product, of which the band within the window
is kept. And the K noise words of a run serve all of its pairs, each counted as often as k draws a
pair would have it on average (Ji et al. 2016). What is fetched and stored a word falls from
(2R + 1 + k) vectors to about (2T + 2c + K)/T.

What does not depend on the vectors (who is paired with whom, and how much it counts) is laid out
for thousands of words beforehand, as `Pairs`; `step` then takes one short update after another.

Shapes: B runs, T words of a run, S inputs of a run (T + 2c; c is the window), H hidden vectors of
a run (S, or 1 for CBOW), K noise words of a run, R outputs of a run (T + K), N words, C = 2c + 1
places around a word, L outputs of a word, D dimensions, V words of the vocabulary. Where each word
is a run of its own, B is N, S is C and R is L.
"""

from typing import NamedTuple

import torch
from torch import Tensor

RUN = 16  # words of a run at most: longer ones waste products outside the band


def band(reach_BT: Tensor, sentence_BS: Tensor, window: int) -> Tensor:
    """Return which inputs of a run are the context of which of its words, (B, S, T).

    Args:
        reach_BT: how many words to each side.
        sentence_BS: numbers of sentences, −1 for places beyond the text; input i is word i − c.
        window: c.
    """
    T = reach_BT.shape[1]
    S = T + 2 * window
    places = torch.arange(S, device=reach_BT.device)[:, None] - window
    offset_ST = (places - torch.arange(T, device=reach_BT.device)).abs()
    offset_ST[offset_ST == 0] = window + 1  # a word is not its own context
    near_BST = offset_ST <= reach_BT[:, None, :]
    own_BT = sentence_BS[:, window : window + T]
    return near_BST & (sentence_BS[:, :, None] == own_BT[:, None, :]) & (own_BT >= 0)[:, None, :]


def runs_of(padded: Tensor, window: int, length: int = RUN) -> Tensor:
    """Return a padded vector's overlapping runs, (B, S), as a view."""
    return padded.unfold(0, length + 2 * window, length)


class Pairs(NamedTuple):
    """Which inputs are paired with which outputs, and how much each pair counts.

    Attributes:
        inputs, outputs: rows of the two tables, (B, S) and (B, R).
        pull: weight times label, that is weight of the pairs that are true, (B, H, R).
        weight: of all pairs; 0 where there is none.
        mean: how much of each input is in a hidden vector, (B, H, S); None: each input is one.
        shift: what is taken from a score, log(k Pₙ(w)), for noise contrastive estimation, (B, R).
        input_scale, output_scale: what the sums of rows are scaled by, (B, S, 1) and (B, R, 1); see
            `capped`.
    """

    inputs: Tensor
    outputs: Tensor
    pull: Tensor
    weight: Tensor
    mean: Tensor | None = None
    shift: Tensor | None = None
    input_scale: Tensor | None = None
    output_scale: Tensor | None = None

    def at(self, rate: float | Tensor) -> "Pairs":
        """Return the pairs with a rate in their weights, one for all or (B, 1, 1)."""
        return self._replace(pull=self.pull * rate, weight=self.weight * rate)

    def split(self, n: int) -> list["Pairs"]:
        """Return the pairs of each n runs."""
        parts = {name: x.split(n) for name, x in self._asdict().items() if x is not None}
        return [
            self._replace(**{name: part[i] for name, part in parts.items()})
            for i in range(len(parts["inputs"]))
        ]


def with_shared_noise(
    input_BS: Tensor,
    target_BT: Tensor,
    noise_BK: Tensor,
    band_BST: Tensor,
    negative: float,
    shift_V: Tensor | None = None,
    skip: bool = False,
) -> Pairs:
    """Return the pairs of skip-gram with negative sampling or noise contrastive estimation.

    Args:
        input_BS: words of runs and ``window`` more at each end.
        target_BT: words of runs.
        noise_BK: noise words of runs.
        band_BST: from `band`.
        negative: noise words a pair, k.
        shift_V: log(k Pₙ(w)), for noise contrastive estimation; None is negative sampling.
        skip: a noise word counts for no pair whose target it is, as in the released code.

    Source: 2013b, eq. 4 and §2.2.
    """
    T, K = target_BT.shape[1], noise_BK.shape[1]
    output_BR = torch.cat([target_BT, noise_BK], 1)
    dtype = torch.get_default_dtype() if shift_V is None else shift_V.dtype
    weight_BSR = band_BST.new_zeros(*input_BS.shape, T + K, dtype=dtype)
    weight_BSR[..., :T] = band_BST
    pull_BSR = weight_BSR.clone()
    weight_BSR[..., T:] = pull_BSR.sum(2, keepdim=True)  # so many pairs draw noise
    if skip:
        same_BTK = (target_BT[:, :, None] == noise_BK[:, None, :]).to(dtype)
        weight_BSR[..., T:] -= torch.bmm(pull_BSR[..., :T], same_BTK)
    weight_BSR[..., T:] *= negative / K
    shift_BR = None if shift_V is None else shift_V[output_BR]
    return Pairs(input_BS, output_BR, pull_BSR, weight_BSR, shift=shift_BR)


def with_own_outputs(
    input_NC: Tensor,
    context_NC: Tensor,
    row_NL: Tensor,
    label_NL: Tensor,
    weight_NL: Tensor,
    cbow: bool = False,
    cbow_mean: bool = True,
    shift_V: Tensor | None = None,
) -> Pairs:
    """Return the pairs where each word has outputs of its own: a path, or noise words.

    Args:
        input_NC: words around each word.
        context_NC: which of them are its context.
        row_NL: rows of the output table.
        label_NL: their labels.
        weight_NL: whether, or how much, each counts.
        cbow: from the context's mean (or sum); else from each of its words.
        cbow_mean: whether a mean.
        shift_V: as for `with_shared_noise`.

    Source: 2013b, eqs. 3 and 4; 2013a, §3.1.
    """
    weight_NL = weight_NL.to(label_NL)
    hidden_NH, mean_NHC = context_NC.to(label_NL), None
    if cbow:
        n_N1 = hidden_NH.sum(1, keepdim=True)
        mean_NHC = (hidden_NH / n_N1.clamp(min=1) if cbow_mean else hidden_NH)[:, None, :]
        hidden_NH = (n_N1 > 0).to(label_NL)
    weight_NHL = hidden_NH[:, :, None] * weight_NL[:, None, :]
    shift_NL = None if shift_V is None else shift_V[row_NL]
    return Pairs(
        input_NC, row_NL, weight_NHL * label_NL[:, None, :], weight_NHL, mean_NHC, shift_NL
    )


def step(input_VD: Tensor, output_VD: Tensor, pairs: Pairs) -> None:
    """Take one step on some pairs, in place: the sum of all their steps, from where all begin."""
    input_BSD, output_BRD = input_VD[pairs.inputs], output_VD[pairs.outputs]
    hidden_BHD = input_BSD if pairs.mean is None else pairs.mean @ input_BSD
    score_BHR = hidden_BHD @ output_BRD.mT
    if pairs.shift is not None:
        score_BHR -= pairs.shift[:, None, :]
    # (label − σ) · weight · rate
    step_BHR = torch.addcmul(pairs.pull, score_BHR.sigmoid_(), pairs.weight, value=-1)
    delta_BSD = step_BHR @ output_BRD
    if pairs.mean is not None:  # each word of the context gets the whole step, as in the code
        delta_BSD = (pairs.mean > 0).mT * delta_BSD
    delta_BRD = step_BHR.mT @ hidden_BHD
    if pairs.input_scale is not None and pairs.output_scale is not None:
        delta_BSD, delta_BRD = delta_BSD * pairs.input_scale, delta_BRD * pairs.output_scale
    input_VD.index_add_(0, pairs.inputs.flatten(), delta_BSD.flatten(0, 1))
    output_VD.index_add_(0, pairs.outputs.flatten(), delta_BRD.flatten(0, 1))


def capped(pairs: Pairs, limit: float, n: int) -> tuple[Pairs, Tensor]:
    """Return the pairs, no row of which is stepped too far in an update of n runs.

    One word after another would step a frequent row many times, each step seeing the last. Here
    the steps are summed, and a sum of too many overshoots. So a row whose rates add up to more than
    ``limit`` in an update has its sum scaled down to it. Updates should be so short that this is
    rare: a rate means what it says only where nothing is scaled.

    Args:
        pairs: with their rates (`Pairs.at`).
        limit: what the rates of a row's steps may add up to, made-up pairs included.
        n: runs of an update.

    Returns:
        The pairs; and the rates of the steps that are scaled down, and of all, each added up.
    """
    inputs_BS = pairs.weight.sum(2)
    if pairs.mean is not None:
        inputs_BS = inputs_BS * (pairs.mean > 0).squeeze(1)
    scales, tally_2 = [], inputs_BS.new_zeros(2)
    for row, rate in ((pairs.inputs, inputs_BS), (pairs.outputs, pairs.weight.sum(1))):
        update = torch.arange(len(row), device=row.device)[:, None] // n
        place = (update * (row.max() + 1) + row).unique(return_inverse=True)[1]
        total = rate.new_zeros(int(place.max()) + 1)
        total = total.index_add_(0, place.flatten(), rate.flatten())[place]
        scales.append((limit / total).clamp(max=1)[..., None])
        tally_2 += torch.stack([rate[total > limit].sum(), rate.sum()])
    if tally_2[0] > 0:
        pairs = pairs._replace(input_scale=scales[0], output_scale=scales[1])
    return pairs, tally_2


def softmax_step(
    input_VD: Tensor,
    output_VD: Tensor,
    input_NC: Tensor,
    context_NC: Tensor,
    target_N: Tensor,
    lr: float,
    cbow: bool = False,
    cbow_mean: bool = True,
) -> None:
    """Take one step of the full softmax (2013b, eq. 2), in place: all V outputs at every pair."""
    share_NC = context_NC.to(input_VD.dtype)
    some_N = context_NC.any(1)
    if cbow:
        weight_NC = share_NC / share_NC.sum(1, keepdim=True).clamp(min=1) if cbow_mean else share_NC
        hidden_MD = torch.bmm(weight_NC[:, None, :], input_VD[input_NC]).squeeze(1)[some_N]
        target_M = target_N[some_N]
    else:
        hidden_MD = input_VD[input_NC[context_NC]]
        target_M = target_N[:, None].expand_as(input_NC)[context_NC]
    step_MV = (hidden_MD @ output_VD.T).softmax(1).neg_()
    step_MV[torch.arange(len(target_M), device=step_MV.device), target_M] += 1
    step_MV *= lr
    delta_MD = step_MV @ output_VD
    output_VD.addmm_(step_MV.T, hidden_MD)
    if cbow:
        delta_NCD = share_NC[some_N][:, :, None] * delta_MD[:, None, :]
        input_VD.index_add_(0, input_NC[some_N].flatten(), delta_NCD.flatten(0, 1))
    else:
        input_VD.index_add_(0, input_NC[context_NC], delta_MD)
