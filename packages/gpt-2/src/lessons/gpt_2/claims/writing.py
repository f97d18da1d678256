"""D3: the small model that this package ships."""

import math
from typing import Any

import torch

from ..bpe import ByteLevelBPE
from ..generation import sample
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE
from ..lab.run import Run
from ..model import GPT2
from . import corpus, nets, shipped

PROMPTS = ("In the beginning", "To be, or", "To print a document,")
WRITTEN_IN = (
    "King James Version and Shakespeare (public domain), LibreOffice help (Mozilla Public License "
    "2.0, The Document Foundation and contributors); trained by this package"
)


def train_and_keep(run: Run) -> dict[str, Any]:
    """Train ``nano``, keep it beside the package's code, and let it write."""
    small = run.scale == "test"
    split = [corpus.split(run, name) for name in corpus.FREE]
    train, test = ([text for parts in split for text in parts[n]] for n in (0, 2))
    bpe = ByteLevelBPE.train(train[:: 1 if small else 3], 300 if small else 2048)
    sizes: dict[str, Any] = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    if small:
        sizes |= {"n_embd": 16, "n_layer": 1, "n_head": 1}
    generator = torch.Generator().manual_seed(run.seed)
    net = GPT2.from_preset("nano", generator, vocab_size=len(bpe), **sizes).to(run.device)
    end = bpe.special["<|endoftext|>"]
    # Documents are not cut for this: a block of 10,000 characters may begin anywhere.
    ids = torch.tensor([i for t in train for i in (end, *bpe.encode(t, disallowed_special=()))])
    curve = nets.fit(run, net, ids, run.pick(test=4, default=2500), 3e-3, run.seed, "nano")
    unseen = torch.tensor([i for t in test for i in bpe.encode(t, disallowed_special=())])
    n = net.config.n_positions
    windows = unseen[: min(len(unseen), 60_000) // n * n].view(-1, n).to(run.device)
    with torch.no_grad():
        losses = [net(part, labels_BT=part).item() * len(part) for part in windows.split(32)]
    count = len(bpe.decode_bytes(windows[:, 1:].flatten().tolist()))
    nats = sum(losses) / len(windows) * windows[:, 1:].numel()
    net = net.cpu()
    path = run.out / "model.safetensors" if small else shipped.PATH
    shipped.keep(path, net, bpe, {"data": WRITTEN_IN})
    written = {}
    for prompt in PROMPTS:
        begun = torch.tensor([bpe.encode(prompt)])
        generator = torch.Generator().manual_seed(run.seed)
        new = sample(net, begun, 60, top_k=40, temperature=0.8, crop=True, generator=generator)
        written[prompt] = prompt + bpe.decode(new[0].tolist())
    return {"curve": curve, "bits": nats / math.log(2) / count, "written": written,
            "parameters": sum(p.numel() for p in net.parameters())}  # fmt: skip


def draw(figure, numbers) -> None:
    """Draw the loss in training."""
    axes = figure.subplots()
    curve = numbers["curve"]
    axes.plot([(i + 1) / len(curve) for i in range(len(curve))], curve, color=BLUE)
    axes.set(xlabel="share of the training", ylabel="loss, nats a token")


@demonstration(
    "D3",
    "A small model is trained, ships with the package, and writes.",
    draw,
    asks="The preset nano, on the King James Bible, Shakespeare and LibreOffice's help; bits a "
    "byte on blocks held out; what it writes after three prompts, drawn from the 40 likeliest "
    "tokens as in §8.2, the first that came.",
    full_only=True,
)
def writes(run: Run) -> Finding:
    """Train, keep, write."""
    found = run.trial(train_and_keep)
    told = " ".join(f"“{' '.join(text.split())}”" for text in found["written"].values())
    return Finding(
        None,
        ours=f"{found['bits']:.2f} bits a byte on unseen text",
        ran=f"{found['parameters']:,} weights, 2,500 steps of 16 windows of 128, rate .003.",
        measured=f"{found['bits']:.3f} bits a byte. It writes: {told}",
        numbers=found,
    )
