"""Whether the nets still underfit (abstract, §3, Figure 4)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import every, interval, judge, paired
from . import nets
from .domains import BETWEEN, needed, seeds, zero_shot


def draw(figure, numbers) -> None:
    """Draw Figure 4: bits a byte on text trained on and on unseen text, against width."""
    axes = figure.subplots()
    x = [int(width) for width in numbers["train"]]
    for color, name in ((BLUE, "train"), (RED, "test")):
        found = [interval(values) for values in numbers[name].values()]
        half = [one.high - one.mean for one in found]
        axes.errorbar(x, [one.mean for one in found], half, fmt="o-", color=color, capsize=3,
                      label=f"web, {name}")  # fmt: skip
    axes.set(xscale="log", xlabel="width", ylabel="bits a byte", xticks=x)
    axes.set_xticklabels([str(width) for width in x])
    axes.minorticks_off()
    axes.legend()


@claim(
    "C2c",
    "abstract",
    quotes="but still underfits WebText",
    says="Train and test are alike, and both improve with size and with training.",
    asks="Bits a byte on the web's text, trained on and held out (§4: “performance on both the "
    "training and test sets of WebText are similar and improve together”). Held-out less "
    "training bits at width 128, less the gain on held-out text from width 64 to 128. And width "
    "64 with half the steps, its own schedule, less the same with all of them: §3 says that "
    "held-out perplexity improves given more training time.",
    holds_if="the 95% interval of the gap less the gain lies below 0, and that of the gain by "
    "longer training above 0",
    fails_if="the first lies above 0, or the second below",
    paper="Figure 4",
    draw=draw,
    full_only=True,
)
def underfits(run: Run) -> Finding:
    """Compare the gap with the gain."""
    by: dict[str, Any] = {str(width): zero_shot(run, width) for width in nets.widths(run)}
    _, middle, large = by
    test, train = ({w: [one[f"web {part}"] for one in runs] for w, runs in by.items()}
                   for part in ("test", "train"))  # fmt: skip
    gap = [b - a for a, b in zip(train[large], test[large])]
    gain = [a - b for a, b in zip(test[middle], test[large])]
    rate, _ = nets.tuned_rate(run, int(middle))
    asked = run.pick(test=3, default=200)
    half = [
        run.trial(nets.on_the_web, width=int(middle), rate=rate, seed=seed, share=0.5, asked=asked)
        for seed in seeds(run)
    ]
    first = paired(gap, gain)
    second = paired([one["web test"] for one in half], test[middle])
    return Finding(
        every([
            judge(first, below=0.0, paper_regime=False),
            judge(second, above=0.0, paper_regime=False),
        ]),
        ours=f"gap {interval(gap).text()}, gain {interval(gain).text()} bits",
        ran=f"{len(gap)} seeds. The training is about as long as all of the web's text; how often "
        "the paper's nets read theirs it does not say.",
        measured=f"Held-out less training bits a byte at width {large}: {interval(gap).text()}; "
        f"gain from width {middle}: {interval(gain).text()}; twice the training at width {middle} "
        f"brings {second.text()}.",
        numbers={"train": train, "test": test, "gap": gap, "gain": gain,
                 "half": [one["web test"] for one in half]},
        between=BETWEEN,
        would_decide=needed(first, 0.0),
    )  # fmt: skip
