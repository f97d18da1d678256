"""LeNet-5, modern and as published: ours beside plain torch modules, in one run.

python packages/cnn/benchmarks/bench_cnn.py [--threads 1] [--seconds 4]
"""

import argparse
import copy
import functools
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils import benchmark

from lessons.cnn import LeNet5, LeNet5Config, fold, from_conv_stack

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=4.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 8
PLAIN = "plain modules"
# One thread on a CPU: its own time, which others on the machine disturb less.
CPU = args.device == "cpu" and args.threads == 1
CLOCK = time.process_time if CPU else benchmark.timer


class Squash(nn.Module):
    def forward(self, a):
        return 1.7159 * torch.tanh(2 / 3 * a)


class Scale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.coef = nn.Parameter(torch.rand(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        return self.coef * x + self.bias


def modern():
    """What everybody writes."""
    return [
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ]  # fmt: skip


def published():
    """The network of 1998, but for its C3, which sees all maps, and its output, which is linear."""
    return [
        nn.Conv2d(1, 6, 5), Squash(), nn.AvgPool2d(2), Scale(6), Squash(),
        nn.Conv2d(6, 16, 5), Squash(), nn.AvgPool2d(2), Scale(16), Squash(), nn.Flatten(),
        nn.Linear(400, 120), Squash(), nn.Linear(120, 84), Squash(), nn.Linear(84, 10),
    ]  # fmt: skip


def ours(theirs):
    """Our net with the weights of theirs, as far as they are of one form."""
    if len(theirs) == len(modern()):
        names = zip((0, 3, 7, 9, 11), ("conv1", "conv2", "fc1", "fc2", "fc3"))
        state = {f"{n}.{k}": v for i, n in names for k, v in theirs[i].state_dict().items()}
        return from_conv_stack(state).to(args.device)
    return LeNet5(LeNet5Config(output="linear")).to(args.device)


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer(
                "call()", globals={"call": call}, num_threads=args.threads, timer=CLOCK
            )
            times[name] += timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = min(value for name, value in medians.items() if name.startswith(PLAIN))
    print(f"{title}: ms, and of the better plain one")
    for name, median in medians.items():
        print(f"  {name:28} {1e3 * median:8.2f}  {median / base:5.2f}")


def infer(model, images):
    with torch.inference_mode():
        return model(images)


def train(model, images, targets):
    F.cross_entropy(model(images), targets).backward()
    model.zero_grad()


def both_layouts(name, model, images):
    """The model and the images as they come, and in channels_last."""
    last = {"memory_format": torch.channels_last}
    yield name, model, images
    yield f"{name}, channels_last", copy.deepcopy(model).to(**last), images.clone().to(**last)


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
for make in (modern, published):
    theirs = nn.Sequential(*make()).to(args.device)
    net = ours(theirs)
    for batch in (1, 64, 256):
        x = torch.rand(batch, 1, 32, 32, device=args.device)
        calls = {}
        for name, model in ((PLAIN, theirs), ("ours", net), ("ours, folded", fold(net))):
            like = theirs if make is modern or model is theirs else net
            for title, variant, images in both_layouts(name, model, x):
                want = infer(like, x)
                assert torch.allclose(infer(variant, images), want, rtol=1e-4, atol=1e-4), title
                calls[title] = functools.partial(infer, variant, images)
        compare(f"{make.__name__}, inference, batch {batch}", calls)
    x, y = torch.rand(64, 1, 32, 32, device=args.device), torch.arange(64, device=args.device) % 10
    calls = {
        title: functools.partial(train, variant, images, y)
        for name, model in ((PLAIN, theirs), ("ours", net))
        for title, variant, images in both_layouts(name, model, x)
    }
    compare(f"{make.__name__}, forward and backward, batch 64", calls)
