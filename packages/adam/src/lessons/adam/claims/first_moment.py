"""§6.3: what the first moment is for. RMSProp is Adam without it, nearly."""

import math

from ..lab.claim import Finding, claim
from ..lab.statistics import judge, ratio, unpaired
from . import convolutional, dropout_network
from .training import if_open, ranking

QUOTE = (
    "reducing the minibatch variance through the first moment is more important in CNNs and "
    "contributes to the speed-up"
)
CAVEAT = (
    "RMSProp stands for Adam without the first moment, as it is in both races; its memory of the "
    "squares is .99, not .999, and it has no correction, which may be some of the difference."
)
BETWEEN = f"{convolutional.BETWEEN} {CAVEAT}"


def without(run):
    """Return the races of Fig. 3's net, by Adam and by RMSProp, and how many seeds they have."""
    names = ("Adam", "RMSProp")
    return convolutional.measure(run, names=names, looked_at=True)


@claim(
    "C20a",
    "§6.3",
    quotes=QUOTE,
    says="In a convolutional net Adam ends lower than RMSProp without momentum.",
    asks="RMSProp, which has no first moment, a memory of .99 and no correction, in "
    "the net of C6 beside Adam: the training cost over Adam's after 45 passes, seeds paired.",
    holds_if="the 95% interval of the ratio lies above 1",
    fails_if="it lies below 1",
    paper="",
)
def first_moment_helps(run):
    """Compare RMSProp with Adam."""
    result, seeds = without(run)
    found = ratio(result["RMSProp"]["finals"], result["Adam"]["finals"])
    judged = judge(found, above=1, paper_regime=run.scale == "paper")
    return Finding(
        judged,
        ours=f"RMSProp/Adam: {found.text()}",
        ran=f"{convolutional.described(run, seeds)} {CAVEAT}",
        measured=f"Training cost: {ranking(result)}.",
        numbers=result,
        **if_open(judged, BETWEEN),
    )


@claim(
    "C20b",
    "§6.3",
    quotes=QUOTE,
    says="The first moment gains more in a convolutional net than in a fully connected one.",
    asks="The logarithm of RMSProp's training cost over Adam's in the net of C6, less the same in "
    "the fully connected net of C1. That one has dropout and the other none, so that the kind of "
    "layer is not all that differs; nor is the first moment all that RMSProp lacks (C20a).",
    holds_if="the 95% interval of the difference lies above 0",
    fails_if="it lies below 0",
    paper="",
)
def more_in_cnns(run):
    """Compare how far RMSProp is behind in the two networks."""
    cnn, seeds = without(run)
    mlp, others = dropout_network.measure(run)
    logs = [
        [math.log(r / a) for r, a in zip(of["RMSProp"]["finals"], of["Adam"]["finals"])]
        for of in (cnn, mlp)
    ]
    found = unpaired(*logs)
    ratios = [ratio(of["RMSProp"]["finals"], of["Adam"]["finals"]).text() for of in (cnn, mlp)]
    judged = judge(found, above=0, paper_regime=run.scale == "paper")
    return Finding(
        judged,
        ours=f"RMSProp/Adam {ratios[0]} (convolutional), {ratios[1]} (fully connected)",
        ran=f"{convolutional.described(run, seeds)} {dropout_network.described(run, others)} "
        f"{CAVEAT} The fully connected net has dropout, as in Fig. 2a; the other has none.",
        measured=f"RMSProp's cost over Adam's is {ratios[0]} in the convolutional net and "
        f"{ratios[1]} in the fully connected one; the difference of the logarithms is "
        f"{found.text()}.",
        numbers={"convolutional": logs[0], "fully connected": logs[1]},
        **if_open(judged, BETWEEN),
    )
