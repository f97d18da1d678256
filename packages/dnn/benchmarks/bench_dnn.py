"""One sweep of training: our gradient by hand beside torch's autograd, in one run.

python packages/dnn/benchmarks/bench_dnn.py [--threads 1] [--seconds 4]
"""

import argparse
import itertools

import torch
from torch import nn
from torch.utils import benchmark

from lessons.dnn import MLP, DeltaNet, DeltaRule, encoder, family_trees, layered

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=4.0, help="how long each is measured")
args = parser.parse_args()


def by_hand(net, optimizer, x, aim):
    def sweep():
        net.backpropagate(x, aim)
        optimizer.step()

    return sweep


def by_autograd(forward, parameters, x, aim, lr=0.01):
    optimizer = torch.optim.SGD(parameters, lr, momentum=0.9)

    def sweep():
        optimizer.zero_grad()
        (0.5 * (aim - forward(x)).square().sum()).backward()
        optimizer.step()

    return sweep


class Stacked(nn.Module):
    """R layered nets of logistic units, as one would write them for autograd: baddbmm by layer."""

    def __init__(self, replicates, *sizes):
        super().__init__()
        pairs = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(0.1 * torch.randn(replicates, a, b) for a, b in pairs)
        self.biases = nn.ParameterList(torch.zeros(replicates, 1, b) for _, b in pairs)

    def forward(self, x):
        acts = x.expand(len(self.weights[0]), -1, -1)
        for weight, bias in zip(self.weights, self.biases):
            acts = torch.sigmoid(torch.baddbmm(bias, acts, weight))
        return acts


def sequential(*sizes):
    pairs = itertools.pairwise(sizes)
    return nn.Sequential(*(module for a, b in pairs for module in (nn.Linear(a, b), nn.Sigmoid())))


R = 100
x, truth = encoder(8)
ours = DeltaNet(layered(8, 3, 8), R)
stacked = Stacked(R, 8, 3, 8)
singles = [sequential(8, 3, 8) for _ in range(R)]
alone = [by_autograd(net, net.parameters(), x, truth) for net in singles]
trees = family_trees()
family = DeltaNet.from_preset("family-trees", replicates=R)
stacked_family = Stacked(R, 36, 12, 12, 6, 24)
images, labels = torch.rand(20, 784), torch.rand(20, 10)
mlp, twin = MLP((784, 100, 10), output="logistic"), sequential(784, 100, 10)
CASES = {
    f"{R} nets 8-3-8, 8 patterns": {
        "by hand": by_hand(ours, DeltaRule(ours.parameters(), 0.01), x, ours.aim(truth)),
        "autograd, stacked": by_autograd(stacked, stacked.parameters(), x, truth),
        "autograd, net by net": lambda: [sweep() for sweep in alone],
    },
    f"{R} nets for family trees, 104 patterns": {
        "by hand": by_hand(
            family, DeltaRule(family.parameters(), 0.01), trees.inputs, family.aim(trees.truths)
        ),
        "autograd, stacked (no skips, no mask)": by_autograd(
            stacked_family, stacked_family.parameters(), trees.inputs, trees.truths
        ),
    },
    "784-100-10, 20 images": {
        "by hand": by_hand(mlp, DeltaRule(mlp.parameters(), 0.01), images, labels),
        "autograd": by_autograd(twin, twin.parameters(), images, labels),
    },
}
# A busy machine disturbs whoever runs at that moment, so the contenders take turns.
ROUNDS = 8
print(f"torch {torch.__version__}, {args.threads} thread(s): ms a sweep, and of ours")
for case, contenders in CASES.items():
    times = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, sweep in contenders.items():
            timer = benchmark.Timer("sweep()", globals={"sweep": sweep}, num_threads=args.threads)
            measured = timer.blocked_autorange(min_run_time=args.seconds / ROUNDS)
            times[name] += measured.times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    print(case)
    for name, median in medians.items():
        print(f"  {name:40} {1e3 * median:8.3f}  {median / medians['by hand']:6.2f}")
