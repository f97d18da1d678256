"""How much of an error arrives many steps back: it dies, or it grows beyond all bounds."""

from typing import Any

import torch

from ..flow import gradient_norms, orthogonal_, with_radius_
from ..lab.claim import Finding, demonstration
from ..lab.figures import AMBER, BLUE, GREEN, PURPLE, RED
from ..lab.run import Run
from ..rnn import RNN

RADII = (0.5, 0.9, 1.1, 1.5, 2.5)
COLORS = (BLUE, GREEN, AMBER, PURPLE, RED)


def flow(run: Run, seed: int, units: int, steps: int, drive: float) -> dict[str, list[float]]:
    """Return ‖∂h(T)/∂h(T − q)‖, the mean of logarithms over sequences, by spectral radius."""
    generator = torch.Generator().manual_seed(seed)
    x = drive * torch.randn(steps, 8, 4, generator=generator)
    found = {}
    for radius in (*RADII, "orthogonal"):
        torch.manual_seed(seed)
        layer = RNN(4, units, bias=False)
        weight = layer.all_weights[0][1]
        with torch.no_grad():
            if isinstance(radius, float):
                weight.normal_(0, units**-0.5, generator=generator)
                with_radius_(weight, radius)
            else:
                orthogonal_(layer, generator=generator)
        norms = gradient_norms(layer, x).clamp_min(1e-30)
        found[str(radius)] = norms.log10().mean(1).tolist()
    return found


def draw_flow(figure, numbers) -> None:
    """Draw the two regimes: gradients against the number of steps back."""
    figure.set_size_inches(6.4, 3.2)
    for axes, (name, found) in zip(figure.subplots(1, 2, sharey=True), numbers["flow"].items()):
        for radius, color in zip(RADII, COLORS):
            axes.plot(found[str(radius)], color=color, label=f"radius {radius}")
        axes.plot(found["orthogonal"], color="#5f6670", ls="--", label="orthogonal")
        axes.set(title=name, xlabel="steps back", ylim=(-12, 12))
    figure.axes[0].set_ylabel("log₁₀ of the gradient's norm")
    figure.axes[1].legend(fontsize=8)


@demonstration(
    "D2",
    "What is left of a gradient after many steps, by radius and saturation.",
    draw_flow,
    source="Hochreiter 1991; Bengio et al. 1994; Pascanu et al. 2013",
    asks="‖∂h(T)/∂h(T − q)‖ in nets of tanh units whose recurrent matrix is scaled to a spectral "
    "radius, driven weakly (units nearly linear) or strongly (units saturated).",
)
def regimes(run: Run) -> Finding:
    """Measure both regimes."""
    units, steps = run.pick(test=16, default=64, full=100), run.pick(test=12, default=60)
    numbers: dict[str, Any] = {
        name: run.trial(flow, seed=run.seed, units=units, steps=steps, drive=drive)
        for name, drive in (("weak input", 0.01), ("strong input", 3.0))
    }
    last = {name: {r: values[-1] for r, values in found.items()} for name, found in numbers.items()}
    weak, strong = last["weak input"], last["strong input"]
    back = steps - 1
    return Finding(
        None,
        ours=f"{back} steps back: radius .5 leaves 10 to the {weak['0.5']:.0f}",
        ran=f"{units} tanh units, 4 inputs, {steps} steps, eight sequences, one draw of weights.",
        measured=f"Log₁₀ of the norm {back} steps back, weak input: {weak['0.5']:.1f} at radius "
        f".5, {weak['0.9']:.1f} at .9, {weak['1.1']:.1f} at 1.1, {weak['1.5']:.1f} at 1.5, "
        f"{weak['orthogonal']:.1f} orthogonal. Strong input: {strong['1.1']:.1f} at 1.1, "
        f"{strong['2.5']:.1f} at 2.5, {strong['orthogonal']:.1f} orthogonal.",
        numbers={"flow": numbers, "last": last},
    )
