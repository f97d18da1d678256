"""How large the layers' responses are."""

import torch

from ..cifar import CifarResNet, CifarResNetConfig
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import clearly_less, mean
from .depth import SHADES
from .training import DEPTHS, WIDTHS, images, responses, setting, trials


def draw_responses(figure, numbers):
    """Draw the std of every layer, and the size of the residual function by block."""
    figure.set_size_inches(6.4, 2.8)
    left, right = figure.subplots(1, 2)
    for kind, style in (("plain", ":"), ("residual", "-")):
        for depth in ("20", "44"):
            stds = numbers[kind][depth]
            axis = [i / (len(stds) - 1) for i in range(len(stds))]
            left.plot(axis, stds, style, color=SHADES[depth], label=f"{kind}, {depth} layers")
    left.set(xlabel="place in the net (0 first, 1 last)", ylabel="std after batch norm")
    left.legend(fontsize=7)
    blocks = range(1, len(numbers["ratios"]) + 1)
    right.plot(blocks, numbers["ratios"], "o-", ms=3, color=BLUE, label="trained, 44 layers")
    right.plot(blocks, numbers["fresh"], "s", ms=3, color=MUTED, label="before training")
    right.set(xlabel="block", ylabel="‖F(x)‖ / ‖x‖", ylim=(0, None))
    right.legend()


@claim(
    "C5",
    "§4.2, Fig. 7",
    says="Layer responses are smaller in residual nets, and smaller the deeper the net.",
    asks="Layer responses, the standard deviations behind each norm, are smaller in residual nets "
    "than in plain ones, and smaller the deeper the net: residual functions stay near zero.",
    draw=draw_responses,
)
def layer_responses(run):
    """Judge the mean response of the trained nets; print ‖F(x)‖/‖x‖ beside it."""
    results = {kind: trials(run, kind, DEPTHS) for kind in ("plain", "residual")}

    def means(kind, depth):
        return [mean(r["stds"]) for r in results[kind][depth]]

    smaller = all(clearly_less(means("residual", d), means("plain", d)) for d in ("20", "44"))
    holds = smaller and clearly_less(means("residual", "44"), means("residual", "20"))
    values = {f"{k}-{d}": mean(means(k, d)) for k in results for d in ("20", "44")}
    torch.manual_seed(run.seed)
    net = CifarResNet(CifarResNetConfig(44, widths=WIDTHS, in_channels=1)).to(run.device).train()
    x = images(run)["train"][0][:500]
    with torch.no_grad():
        for _ in range(30):  # let the running statistics settle
            net(x)
    _, fresh = responses(net, x)
    first = results["residual"]["44"][0]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"The nets of C1 after training on {setting(run)}.",
        measured="Mean std after batch norm: "
        + ", ".join(f"{name} {value:.3f}" for name, value in values.items())
        + ". ‖F(x)‖/‖x‖, mean over the 21 blocks of residual-44, is "
        f"{mean(first['ratios']):.2f} after training and {mean(fresh):.2f} before.",
        numbers={k: {d: results[k][d][0]["stds"] for d in ("20", "44")} for k in results}
        | {"ratios": first["ratios"], "fresh": fresh, "means": values},
        between="The std behind a batch norm is the norm's own weight, which starts at 1, and "
        "training this short hardly moves it: by construction the quantity cannot show the "
        "effect before weight decay has worked for thousands of steps.",
    )
