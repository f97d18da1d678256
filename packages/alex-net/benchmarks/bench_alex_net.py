"""Inference and a training step: ours beside torchvision's alexnet, in one run.

python packages/alex-net/benchmarks/bench_alex_net.py [--threads 1] [--seconds 6]
"""

import argparse
import time
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils import benchmark

from lessons.alex_net import AlexNet, AlexSGD, load_torchvision

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=6.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 6
LAST = torch.channels_last
SETTINGS: dict[str, Any] = {"num_threads": args.threads}
if args.device == "cpu" and args.threads == 1:
    SETTINGS["timer"] = time.process_time  # what other programs take does not count


class Plain(AlexNet):
    """The net of 2012 written plainly, with torch's own normalization."""

    def conv_layer(self, i, x_BCHW):
        x = F.relu(getattr(self, f"conv{i + 1}")(x_BCHW))
        if self.config.convs[i].norm:
            x = F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)
        return F.max_pool2d(x, 3, 2) if self.config.convs[i].pool else x


def last(model):
    return model.to(memory_format=LAST)


def make(preset, kind=AlexNet):
    return kind.from_preset(preset).to(args.device)


theirs = torchvision.models.alexnet().to(args.device)
tuned = torchvision.models.alexnet().to(args.device)
tuned.load_state_dict(theirs.state_dict())
last(tuned)
ours = make("alexnet_owt")
load_torchvision(ours, theirs.state_dict())
last(ours)
paper, plain = last(make("alexnet_224")), make("alexnet_224", Plain)
plain.load_state_dict(paper.state_dict())
NETS = {
    "torchvision, channels_last": (tuned, LAST),
    "torchvision, as it comes": (theirs, torch.contiguous_format),
    "ours, torchvision's net": (ours, LAST),
    "ours, the net of 2012": (paper, LAST),
    "2012, written plainly": (plain, torch.contiguous_format),
}


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer("call()", **SETTINGS, globals={"call": call})
            times[name] += timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(f"{title}: ms, and of the first")
    for name, median in medians.items():
        print(f"  {name:28} {1e3 * median:8.1f}  {median / base:5.2f}", flush=True)


def forward(model, x):
    with torch.inference_mode():
        return model(x)


def agree(a, b, what):
    assert torch.allclose(a, b, rtol=1e-4, atol=1e-4), what


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
for model, _ in NETS.values():
    model.eval()
for batch in (1, 16):
    x = torch.randn(batch, 3, 224, 224, device=args.device)
    agree(forward(ours, x), forward(theirs, x), "torchvision's net")
    agree(forward(paper, x), forward(plain, x), "the net of 2012")
    calls = {}
    for name, (model, layout) in NETS.items():
        images = x.to(memory_format=layout)
        calls[name] = lambda model=model, images=images: forward(model, images)
    compare(f"inference, batch {batch}", calls)

images, labels = torch.randn(16, 3, 224, 224, device=args.device), torch.arange(16)


def step(model, optimizer, x):
    optimizer.zero_grad()
    F.cross_entropy(model(x), labels.to(args.device)).backward()
    optimizer.step()


def optimizer_of(model):
    if isinstance(model, AlexNet):
        return AlexSGD(model.parameters())
    return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)


calls = {}
for name, (model, layout) in NETS.items():
    model.train()
    x = images.to(memory_format=layout)
    optimizer = optimizer_of(model)
    calls[name] = lambda model=model, optimizer=optimizer, x=x: step(model, optimizer, x)
compare("training step with momentum and decay, batch 16", calls)
layers = {"torch's": nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0), "ours": paper.norm}
maps = torch.randn(16, 96, 55, 55, device=args.device).relu()


def normalize(layer):
    x = maps.clone(memory_format=torch.preserve_format).requires_grad_()
    layer(x).sum().backward()


compare("local response normalization, forward and backward, 96 maps of 55 by 55", {
    name: lambda layer=layer: normalize(layer) for name, layer in layers.items()
})  # fmt: skip
