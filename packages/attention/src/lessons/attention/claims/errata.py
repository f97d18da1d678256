"""Slips in the paper's print, each with the computation."""

import dataclasses

import torch

from ..config import TranslatorConfig
from ..lab.claim import Finding, erratum
from ..lab.run import Run
from ..model import RNNencdec, RNNsearch
from .made_up import ORDERS
from .paper import TABLE_2

SMALL = TranslatorConfig(
    source_vocab_size=20, target_vocab_size=20, embedding_size=4, encoder_size=5, decoder_size=6,
    alignment_size=5, maxout_size=4,
)  # fmt: skip


def made(cls, seed: int, **changes) -> RNNsearch:
    """Return a net of random weights, large enough to matter, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    net = cls(dataclasses.replace(SMALL, **changes)).double()
    for parameter in net.parameters():
        parameter.data.normal_(0, 0.7, generator=generator)
    return net


@torch.no_grad()
def seen(run: Run, seed: int, **changes) -> dict[str, int]:
    """Return the last target word that word i's probability and its alignment depend on: i − lag.

    Every word is exchanged in turn, and what moves is noted.
    """
    net, words = made(RNNsearch, seed, **changes), 6
    src = torch.tensor([[4, 9, 7, 12]])
    tgt = torch.arange(4, 4 + words)[None]
    before = net(src, None, tgt)
    lags = {"probability": words, "alignment": words}
    for i in range(words):
        other = tgt.clone()
        other[0, i] += 7
        for name, a, b in zip(lags, before, net(src, None, other)):
            moved = ((a - b).abs().amax(-1)[0] > 1e-12).nonzero().flatten().tolist()
            if moved:
                lags[name] = min(lags[name], moved[0] - i)
    return lags


@erratum(
    "E1",
    "§3.1, A.2.2",
    "When a state sees a word: appendix, equation 4 and released code differ.",
    quotes="With the decoder state si−1, the context ci and the last generated word yi−1, we "
    "define the probability of a target word yi as",
    asks="§3.1 has word i read from s_i (eq. 4), A.2.2 from s_(i−1), although its own left side is "
    "p(y_i | s_i, y_(i−1), c_i); both update s_i by y_(i−1), the released code (GroundHog, "
    "footnote 4) by y_i. Random nets: which words do the probability and the alignment of word i "
    "depend on?",
)
def three_readings(run: Run) -> Finding:
    """Exchange words and see what moves."""
    found = {name: run.trial(seen, seed=run.seed, **more) for name, more in ORDERS.items()}
    told = "; ".join(
        f"{name}: y_(i−{lags['probability']}) and y_(i−{lags['alignment']})"
        for name, lags in found.items()
    )
    released = found["released code"]["alignment"]
    return Finding(
        None,
        ours=f"alignment knows y_(i−{found['appendix']['alignment']}) as printed, "
        f"y_(i−{released}) as released",
        ran="Random weights in double precision; exact.",
        measured=f"The last word that probability and alignment of word i know: {told}. As "
        "printed, "
        "the net decides where to look before it knows the word that it has just said.",
        numbers={"lags": found},
    )


@erratum(
    "E2",
    "A.2.2",
    "Fixing c_i alone does not make it the RNN Encoder–Decoder.",
    quotes="Note that the model becomes RNN Encoder–Decoder (Cho et al., 2014a), if we fix ci to "
    "→h_Tx.",
    asks="RNNsearch with all weight on the last word and nothing of the backward states in the "
    "context, against RNNencdec of the same weights. In Cho et al. (2014a, A.1) the vector is "
    "tanh(V h_N), s_0 is made of it, and the reset gate scales U′h′ + Cc together.",
)
@torch.no_grad()
def not_quite(run: Run) -> Finding:
    """Fix the context, and change the backward encoder: s_0 still tells."""
    net, encdec = made(RNNsearch, run.seed), made(RNNencdec, run.seed + 1, bidirectional=False)
    src, tgt = torch.tensor([[4, 9, 7, 12]]), torch.tensor([[5, 6, 8, 2]])
    wide = ("unit.weight_context", "readout.context.weight")
    own = {
        k: torch.cat([v, torch.zeros_like(v)], 1) if k in wide else v
        for k, v in encdec.state_dict().items()
    }
    net.load_state_dict(net.state_dict() | own)
    memory, apart = net.encode(src), {}
    want = encdec(src, None, tgt)[0]
    for name in ("s_0 of the backward state", "s_0 of the vector"):
        last = memory.annotations[:, -1]
        s = memory.start if "backward" in name else net.start(last[:, : SMALL.encoder_size]).tanh()
        words, logits = net.embedding(tgt.T), []
        for y in torch.cat([torch.zeros_like(words[:1]), words[:-1]]):
            logits.append(net.readout(s, y, last))
            s = net.unit.step(net.unit.project(y), s, last)
        apart[name] = float((torch.stack(logits, 1) - want).abs().max())
    first, second = apart.values()
    return Finding(
        None,
        ours=f"logits differ by {first:.2f}; with s_0 of the vector by {second:.0e}",
        ran="Random weights in double precision; exact.",
        measured=f"With c_i fixed the logits differ by {first:.2f} from RNNencdec's, since s_0 "
        "comes "
        f"from the backward encoder; with s_0 of the vector, too, by {second:.0e}.",
        numbers={"s_0 of the backward state": first, "equal": second < 1e-10},
    )


@erratum(
    "E3",
    "§5.2.1",
    "“Zone économique européen” should be “européenne”, as in Figure 3.",
    quotes="From this figure, we see that the model correctly translates a phrase [European "
    "Economic Area] into [zone économique européen].",
    asks="Read in version 7: the next sentence, and Figure 3 (a), have “européenne”.",
)
def agreement(run: Run) -> Finding:
    """Say which is right."""
    return Finding(
        None,
        ours="zone is feminine: économique européenne",
        ran="Read in version 7.",
        measured="“Zone” is feminine, and the adjective agrees, as Figure 3 (a) prints it.",
        numbers={},
    )


@erratum(
    "E4",
    "Table 2",
    "One pass has as many pairs for 30 words as for 50.",
    quotes="Each update corresponds to updating the parameters once using a single minibatch. One "
    "epoch is one pass through the training set.",
    asks="Pairs in a pass: updates × 80 / passes, with what rounding leaves open (the passes have "
    "one decimal). The -30 models leave sentences of more than 30 words out (§4.2), so their pass "
    "should be the shorter one.",
)
def passes(run: Run) -> Finding:
    """Divide updates by passes."""
    pairs = {
        name: [updates * 1e5 * 80 / (each + slack) / 1e6 for slack in (0.05, 0.0, -0.05)]
        for name, (updates, each, _) in TABLE_2.items()
    }
    low, high = max(low for low, _, _ in pairs.values()), min(high for _, _, high in pairs.values())
    told = ", ".join(f"{name} {middle:.2f}" for name, (_, middle, _) in pairs.items())
    return Finding(
        None,
        ours=f"{low:.2f} to {high:.2f} million pairs fit all five",
        ran="Table 2's numbers.",
        measured=f"Million pairs in a pass: {told}. Within rounding all are one number, between "
        f"{low:.2f} and {high:.2f} million: the passes were counted on the whole corpus, or "
        "nothing was left out.",
        numbers={"million pairs": pairs, "low": low, "high": high},
    )
