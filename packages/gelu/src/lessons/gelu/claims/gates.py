"""C6b: other gates in the classifier and in the autoencoder (§4)."""

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from .autoencoder import autoencoders, final_test
from .classifier import SHORT, classifiers, mean_curve
from .comparison import curves_only, lead_in_words, leads, plot
from .forms import PAPER
from .replicates import log_ratio


def draw_gates(figure, numbers):
    """Draw the training losses of the classifier and of the autoencoder."""
    left, right = figure.subplots(1, 2)
    plot(left, numbers["classifier"])
    plot(right, numbers["autoencoder"])
    left.set(title="classifier", ylabel="training loss (nats)")
    right.set(title="autoencoder", ylabel="training error (squared)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)


@claim(
    "C6b",
    "§4",
    "The SiLU performs worse than the GELU, but better than ReLU and ELU.",
    draw_gates,
)
def other_gates(run):
    """Put SiLU and the approximations into C1a's classifier and C3's autoencoder."""
    forms = (*PAPER, "silu", "sigmoid", "tanh")
    results, coded = classifiers(run, forms, 1.0), autoencoders(run, forms[:-1])
    words, right = [], []
    for name, found, what in (
        ("Classifier, training loss", results, mean_curve),
        ("autoencoder, test error", coded, final_test),
    ):
        worse = log_ratio(what(found["silu"]), what(found["gelu"]))
        better = leads(found, "silu", ("relu", "elu"), what)
        right += [mean > 2 * se for mean, se in (worse, *better.values())]
        others = leads(found, "gelu", list(found)[1:], what)
        words.append(f"{name} in multiples of the GELU's: {lead_in_words(others)}")
    return Finding(
        HOLDS if all(right) else NOT_SEEN,
        ran="As C1a and C3, with more gates. All six differences beyond two standard errors "
        "are asked for.",
        measured="; ".join(words) + f". Of the six differences that the claim asks for, "
        f"{sum(right)} are there.",
        numbers={"classifier": curves_only(results), "autoencoder": curves_only(coded)},
        between=f"{SHORT} The paper gives no number for the SiLU and does not say on which tasks.",
    )
