"""The same steps for thousands of words at once: gradients in closed form, as matrix products.

Two things are shared. A run of T neighbouring words is an input to each other, so their vectors
are fetched once, and all scores between them are one product, of which the band within the window
is kept. And the K noise words of a run serve all of its pairs, each counted as often as k draws a
pair would have it on average (Ji et al. 2016). What is fetched and stored a word falls from
(2R + 1 + k) vectors to about (2T + 2c + K)/T.

Shapes: B runs, T words of a run, S = T + 2c inputs of a run, c the window, K noise words of a run,
R = T + K outputs of a run, N words, C = 2c + 1 places around a word, L outputs of a word,
D dimensions, V words of the vocabulary.
"""

import torch
from torch import Tensor

RUN = 16  # words of a run: longer ones waste products outside the band


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


def skip_gram_step(
    input_VD: Tensor,
    output_VD: Tensor,
    input_BS: Tensor,
    target_BT: Tensor,
    noise_BK: Tensor,
    band_BST: Tensor,
    negative: float,
    lr: float,
    shift_V: Tensor | None = None,
    cap: float | None = None,
) -> None:
    """Take one step of skip-gram with negative sampling or noise contrastive estimation, in place.

    Args:
        input_VD: the table of words.
        output_VD: the table of outputs.
        input_BS: words of the runs, with their surroundings.
        target_BT: words of the runs, without.
        noise_BK: noise words of each run.
        band_BST: from `band`.
        negative: noise words a pair; each of a run's K stands for negative/K of each pair.
        lr: step size.
        shift_V: log(k Pₙ(w)), for noise contrastive estimation; None is negative sampling.
        cap: see `add`.

    Source: 2013b, eq. 4 and §2.2.
    """
    T, K = target_BT.shape[1], noise_BK.shape[1]
    output_BR = torch.cat([target_BT, noise_BK], 1)
    input_BSD, output_BRD = input_VD[input_BS], output_VD[output_BR]
    weight_BSR = band_BST.new_empty(*input_BS.shape, T + K, dtype=input_VD.dtype)
    weight_BSR[..., :T] = band_BST
    pairs_BS = weight_BSR[..., :T].sum(2)
    weight_BSR[..., T:] = pairs_BS[..., None] * (negative / K)
    score_BSR = torch.bmm(input_BSD, output_BRD.transpose(1, 2))
    if shift_V is not None:
        score_BSR -= shift_V[output_BR][:, None, :]
    # (label − σ) · lr · weight
    step_BSR = score_BSR.sigmoid_().neg_()
    step_BSR[..., :T] += 1
    step_BSR.mul_(weight_BSR).mul_(lr)
    delta_BSD = torch.bmm(step_BSR, output_BRD)
    delta_BRD = torch.bmm(step_BSR.transpose(1, 2), input_BSD)
    add(input_VD, input_BS, delta_BSD, pairs_BS * (1 + negative), cap)
    add(output_VD, output_BR, delta_BRD, weight_BSR.sum(1), cap)


def outputs_step(
    input_VD: Tensor,
    output_VD: Tensor,
    input_NC: Tensor,
    context_NC: Tensor,
    row_NL: Tensor,
    label_NL: Tensor,
    weight_NL: Tensor,
    lr: float,
    cbow: bool = False,
    cbow_mean: bool = True,
    shift_V: Tensor | None = None,
    cap: float | None = None,
) -> None:
    """Take one step where each word has outputs of its own: a path, or noise words; in place.

    Args:
        input_VD: the table of words.
        output_VD: the table of words, or of inner nodes.
        input_NC: words around each word.
        context_NC: which of them are its context.
        row_NL: rows of the output table.
        label_NL: their labels.
        weight_NL: whether, or how much, each counts.
        lr: step size.
        cbow: from the context's mean (or sum); else from each of its words.
        cbow_mean: whether a mean.
        shift_V: as for `skip_gram_step`.
        cap: see `add`.

    Source: 2013b, eqs. 3 and 4; 2013a, §3.1.
    """
    context_NC = context_NC.to(input_VD.dtype)
    vector_NCD, output_NLD = input_VD[input_NC], output_VD[row_NL]
    if cbow:
        share_NC = context_NC
        if cbow_mean:
            share_NC = context_NC / context_NC.sum(1, keepdim=True).clamp(min=1)
        hidden_NHD = torch.bmm(share_NC[:, None, :], vector_NCD)
        weight_NH = (context_NC.sum(1, keepdim=True) > 0).to(context_NC)
    else:
        hidden_NHD, weight_NH = vector_NCD, context_NC
    score_NHL = torch.bmm(hidden_NHD, output_NLD.transpose(1, 2))
    if shift_V is not None:
        score_NHL -= shift_V[row_NL][:, None, :]
    weight_NHL = weight_NH[:, :, None] * weight_NL[:, None, :].to(weight_NH)
    step_NHL = (label_NL[:, None, :] - score_NHL.sigmoid_()).mul_(weight_NHL).mul_(lr)
    delta_NHD = torch.bmm(step_NHL, output_NLD)
    delta_NLD = torch.bmm(step_NHL.transpose(1, 2), hidden_NHD)
    if cbow:  # each word of the context gets the whole step, as in the released code
        delta_NHD = context_NC[:, :, None] * delta_NHD
    times_NC = context_NC * weight_NL.sum(1, keepdim=True).to(context_NC)
    add(input_VD, input_NC, delta_NHD, times_NC, cap)
    add(output_VD, row_NL, delta_NLD, weight_NHL.sum(1), cap)


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


def add(
    table_VD: Tensor, row: Tensor, delta: Tensor, times: Tensor, cap: float | None = None
) -> None:
    """Add steps to rows of a table, in place.

    One word after another would step a frequent row many times, each step seeing the last. Here
    the steps are summed, and a sum of too many overshoots. So a row that ``times`` says is stepped
    more than ``cap`` times in all has its sum divided by times/cap.

    Args:
        table_VD: changed.
        row: which rows, of any shape.
        delta: the steps, of that shape and D.
        times: how many pairs each step stands for, made-up ones included, of that shape.
        cap: None divides nothing.
    """
    row, delta = row.flatten(), delta.flatten(0, -2)
    if cap is not None:
        total_V = table_VD.new_zeros(len(table_VD)).index_add_(0, row, times.flatten())
        delta *= (cap / total_V[row]).clamp(max=1)[:, None]
    table_VD.index_add_(0, row, delta)
