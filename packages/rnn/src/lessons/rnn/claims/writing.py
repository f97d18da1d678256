"""Demonstration D3: a recurrent net that is taught to write from the King James Version."""

import math
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ..char import KJV, CharConfig, CharRNN
from ..flow import clip_grad
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..weights import fill, load, save
from . import kjv

PROMPT = "And God said"
WRITTEN_IN = "King James Version, public domain (Crown patent in the UK); trained by this package"


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def train(
    run: Run, text: str, config: CharConfig, passes: float, batch: int, window: int, seed: int,
    lr: float = 2e-3,
) -> tuple[CharRNN, list[float]]:  # fmt: skip
    """Train a net on ``batch`` places of a text at once, by truncated back-propagation.

    Each place's state is carried on, errors go back over ``window`` characters. Adam, its rate
    falling to zero, gradients clipped at norm 1 (of the mean loss).

    Returns:
        The net, and the loss in bits for each hundredth of the updates.
    """
    torch.manual_seed(seed)
    net = CharRNN(config)
    ids = net.encode(text).to(run.device)
    net.to(run.device)
    length = (len(ids) - 1) // batch
    x, y = (ids[k : k + batch * length].view(batch, length).T.contiguous() for k in (0, 1))
    updates = max(1, int(passes * (length // window)))
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, updates)
    losses: list[float] = []
    curve: list[float] = []
    state = None
    for update in run.track(range(updates), "learning to write"):
        start = update % (length // window) * window
        state = None if start == 0 or state is None else state.detach()
        part = slice(start, start + window)
        logits, state = net(x[part], state)
        loss = F.cross_entropy(logits.flatten(0, 1), y[part].flatten())
        optimizer.zero_grad()
        loss.backward()
        clip_grad(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item() / math.log(2))
        if len(losses) >= max(1, updates // 100):
            curve.append(sum(losses) / len(losses))
            losses.clear()
    return net.cpu().eval(), curve


def recall(path: Path) -> CharRNN:
    """Return the net that was kept.

    Raises:
        OSError: nothing was kept there.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        command = "`python -m lessons.rnn --full --claim D3 --data FOLDER --out FOLDER` trains one"
        raise OSError(f"no trained net at {path}: {command}")
    state = load(path)
    back = state.get("rnn.weight_hh_l0", torch.empty(0, 1))
    with torch.device("meta"):
        net = CharRNN(CharConfig(KJV, hidden_size=back.shape[1]))
    try:
        return fill(net, state).eval()
    except ValueError as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


def examine(net: CharRNN, test: str, seed: int) -> dict[str, Any]:
    """Return bits per character on a text never seen, and a sample."""
    words = net.generate(
        PROMPT, 400, temperature=0.7, generator=torch.Generator().manual_seed(seed)
    )
    return {"bits": net.bits_per_character(test), "sample": PROMPT + words}


def learn_to_write(run: Run, seed: int, passes: float, hidden: int) -> dict[str, Any]:
    """Train a net, keep it, and return what it can."""
    small = run.scale == "test"
    text, test = kjv.sample() if small else kjv.split(kjv.text(kjv.find(run.data)))
    config = CharConfig(KJV, hidden_size=hidden)
    batch, window = run.pick(test=4, default=64), run.pick(test=20, default=100)
    net, curve = train(run, text, config, passes, batch, window, seed)
    path = run.out / "model.safetensors" if small else model_path()
    save(path, net.state_dict(), {"alphabet": KJV, "data": WRITTEN_IN})
    counts = [text.count(c) / len(text) for c in KJV]
    single = -sum(p * math.log2(p) for p in counts if p)
    return {"curve": curve, "letters alone": single} | examine(net, test, seed)


def draw_writing(figure, numbers) -> None:
    """Draw the loss in training, with the test's at the end."""
    axes = figure.subplots()
    curve = numbers["curve"]
    passes = [numbers["passes"] * (i + 1) / len(curve) for i in range(len(curve))]
    axes.plot(passes, curve, color=BLUE, label="in training")
    axes.plot([numbers["passes"]], [numbers["bits"]], "o", color=RED, label="unseen text")
    axes.set(xlabel="passes over the text", ylabel="bits per character")
    axes.legend()


@demonstration(
    "D3",
    "A net of 512 tanh units is taught to write biblical English.",
    draw_writing,
    asks="Next character of the King James Version, one layer of tanh units, truncated "
    "back-propagation over 100 characters; bits per character on each twentieth part of 10,000 "
    "characters, never seen. The full run trains the net that this package ships. How it fares "
    "beside LSTMs and Transformers at equal work is measured in the essays.",
    full_only=True,
)
def writes(run: Run) -> Finding:
    """Train, keep, and let it write."""
    passes = run.pick(test=1.0, default=5.0)
    hidden = run.pick(test=16, default=512)
    found = run.trial(learn_to_write, seed=run.seed, passes=passes, hidden=hidden)
    words = " ".join(found["sample"].split())
    return Finding(
        None,
        ours=f"{found['bits']:.2f} bits per character on unseen text",
        ran=f"{hidden} tanh units, {len(KJV)} characters, {passes:g} passes, 64 places at once, "
        "Adam, rate .002 falling to 0, gradients clipped at norm 1.",
        measured=f"{found['bits']:.3f} bits per character on unseen text; the letters' shares "
        f"alone give {found['letters alone']:.2f}. It writes: “{words}”",
        numbers=found | {"passes": passes},
    )
