"""Demonstrations D2 and D3: the King James Bible as one stream that is never reset."""

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ..blocks import OPEN
from ..char import KJV, CharConfig, CharLSTM
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..stream import Stream
from ..weights import fill, load, save
from . import kjv

PROMPT = "In the beginning"
WRITTEN_IN = "King James Version, public domain (Crown patent in the UK); trained by this package"


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def train(
    run: Run, text: str, config: CharConfig, passes: float, batch: int, window: int, seed: int,
    keep: float | None = None, lr: float = 5e-3,
) -> tuple[CharLSTM, list[float]]:  # fmt: skip
    """Train a net on ``batch`` places of a text at once; none of these streams is ever reset.

    States are carried on, errors go back over ``window`` characters. Adam, its rate falling to
    zero, gradients clipped at norm 1. With ``keep`` states are multiplied by that at every step,
    in the place of the forget gates.

    Returns:
        The net, and the loss in bits for each hundredth of the updates.
    """
    torch.manual_seed(seed)
    net = CharLSTM(config)
    hold = net.lstm.hidden_size
    forget = slice(hold, 2 * hold)
    bias = 0.0 if keep is None else OPEN if keep == 1 else math.log(keep / (1 - keep))

    @torch.no_grad()
    def fix() -> None:
        """Let the forget gates stand at ``keep``, whatever comes."""
        for name, value in (("weight_ih", 0.0), ("weight_hh", 0.0), ("bias_ih", bias),
                            ("bias_hh", 0.0)):  # fmt: skip
            getattr(net.lstm, f"{name}_l0")[forget] = value

    if keep is not None:
        fix()
    ids = net.encode(text).to(run.device)
    net.to(run.device)
    length = (len(ids) - 1) // batch
    x, y = (ids[k : k + batch * length].view(batch, length).T.contiguous() for k in (0, 1))
    updates = max(1, int(passes * (length // window)))
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, updates)
    losses: list[float] = []
    curve: list[float] = []
    stream = Stream(net)
    for update in run.track(range(updates), "learning to write"):
        start = update % (length // window) * window
        part = slice(start, start + window)
        loss = F.cross_entropy(stream(x[part]).flatten(0, 1), y[part].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if keep is not None:
            fix()
        losses.append(loss.item() / math.log(2))
        if len(losses) >= max(1, updates // 100):
            curve.append(sum(losses) / len(losses))
            losses.clear()
    return net.cpu().eval(), curve


def recall(path: Path) -> CharLSTM:
    """Return the net that was kept.

    Raises:
        OSError: nothing was kept there; says how one is made.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        command = "python -m lessons.learning_to_forget --full --claim D3 --data FOLDER --out OTHER"
        raise OSError(
            f"There is no trained net at {path} yet. To make one (about ten minutes of one "
            f"core), run `{command}`, where FOLDER has the text: {kjv.WHERE}."
        )
    state = load(path)
    back = state.get("lstm.weight_hh_l0", torch.empty(0, 1))
    with torch.device("meta"):
        net = CharLSTM(CharConfig(KJV, hidden_size=back.shape[1]))
    try:
        return fill(net, state).eval()
    except ValueError as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


def texts(run: Run) -> tuple[str, str]:
    """Return text to learn from, and text to test on."""
    return kjv.sample() if run.scale == "test" else kjv.split(kjv.text(kjv.find(run.data)))


def stream_of_text(
    run: Run, seed: int, passes: float, hidden: int, keep: float | None = None
) -> dict[str, Any]:
    """Train a net; return bits per character on text never seen, and how large its states are."""
    text, test = texts(run)
    batch, window = run.pick(test=4, default=64), run.pick(test=20, default=100)
    config = CharConfig(KJV, hidden_size=hidden)
    net, curve = train(run, text, config, passes, batch, window, seed, keep)
    with torch.no_grad():
        state = None
        for part in net.encode(test[:20_000])[:, None].split(1000):
            _, state = net(part, state)
    size = state[1].abs().mean().item() if state else 0.0
    if keep is None and passes > 1:
        small = run.scale == "test"
        save(run.out / "model.safetensors" if small else model_path(), net.state_dict(),
             {"alphabet": KJV, "data": WRITTEN_IN})  # fmt: skip
    words = net.generate(PROMPT, 400, 0.7, generator=torch.Generator().manual_seed(seed))
    return {"curve": curve, "bits": net.bits_per_character(test), "size": size,
            "sample": PROMPT + words}  # fmt: skip


ARMS = {"forget gates": None, "none": 1.0, "decay .9": 0.9, "decay .99": 0.99}


def draw_text(figure, numbers) -> None:
    """Draw the loss in training for the first seed of each arm."""
    axes = figure.subplots()
    for (name, found), color in zip(numbers["arms"].items(), (BLUE, RED, GREEN, "#a3820f")):
        curve = found[0]["curve"]
        axes.plot([(i + 1) / len(curve) for i in range(len(curve))], curve, color=color, label=name)
    axes.set(xlabel="share of the pass", ylabel="bits per character")
    axes.legend()


@demonstration(
    "D2",
    "Real text as a stream that is never reset: with forget gates, without, with decay.",
    draw_text,
    asks="Next character of the King James Version, 64 places at once, states carried on from the "
    "first character to the last, one pass, 64 cells, Adam; three seeds. Forget gates; none; "
    "states multiplied by .9 or .99. Bits per character on each twentieth part of 10,000 "
    "characters, never seen, read as one stream from a zero state.",
    full_only=True,
)
def text_stream(run: Run) -> Finding:
    """Train each arm."""
    hidden, seeds = run.pick(test=8, default=64), run.seeds(run.pick(test=1, default=3))
    arms: dict[str, list] = {}
    for name, keep in ARMS.items():
        given = {} if keep is None else {"keep": keep}
        arms[name] = [run.trial(stream_of_text, seed=s, passes=1.0, hidden=hidden, **given)
                      for s in seeds]  # fmt: skip
    bits = {name: sum(f["bits"] for f in found) / len(found) for name, found in arms.items()}
    size = {name: sum(f["size"] for f in found) / len(found) for name, found in arms.items()}
    for found in arms.values():
        for one in found:
            one.pop("sample")
    said = "; ".join(f"{name} {b:.3f} (states {size[name]:.2g})" for name, b in bits.items())
    return Finding(
        None, ours=f"{bits['forget gates']:.2f} bits with forget gates, {bits['none']:.2f} without",
        ran=f"{hidden} cells, one pass, {len(seeds)} seeds.",
        measured=f"Bits per character, and mean size of states: {said}.",
        numbers={"arms": arms, "bits": bits, "size": size},
    )  # fmt: skip


def draw_writing(figure, numbers) -> None:
    """Draw the loss in training, with the test's at the end."""
    axes = figure.subplots()
    curve, passes = numbers["curve"], numbers["passes"]
    axes.plot([passes * (i + 1) / len(curve) for i in range(len(curve))], curve, color=BLUE,
              label="in training")  # fmt: skip
    axes.plot([passes], [numbers["bits"]], "o", color=RED, label="unseen text")
    axes.set(xlabel="passes over the text", ylabel="bits per character")
    axes.legend()


@demonstration(
    "D3",
    "A net of 256 cells is taught to write biblical English.",
    draw_writing,
    asks="As D2 with forget gates, 256 cells, three passes: the net that this package ships "
    "(347,457 weights), and `write` uses. How it fares beside other nets at equal work is measured "
    "in the essays.",
    full_only=True,
)
def writes(run: Run) -> Finding:
    """Train, keep, and let it write."""
    passes, hidden = run.pick(test=2.0, default=3.0), run.pick(test=8, default=256)
    found = run.trial(stream_of_text, seed=run.seed, passes=passes, hidden=hidden)
    words = " ".join(found["sample"].split())
    return Finding(
        None, ours=f"{found['bits']:.2f} bits per character on unseen text",
        ran=f"{hidden} cells, {len(KJV)} characters, {passes:g} passes, Adam, rate .005 falling.",
        measured=f"{found['bits']:.3f} bits per character on unseen text. It writes: “{words}”",
        numbers=found | {"passes": passes},
    )  # fmt: skip
