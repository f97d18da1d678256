"""1998: LeNet-5 as published, trained; several claims share these trials."""

import torch

from ..images import distort, shift
from ..lenet import LeNet5
from ..output import reject_at
from ..second_order import falling
from ..train import fit, predict
from .compare import error_rate, mean
from .data import for_lenet

SHIFTS = (0, 1, 2, 3)


def passes_of(run):
    """Return the passes over the data, of the paper's 20."""
    return run.pick(test=2, default=20, full=8)


def train_lenet(run, many, distorted, seed):
    """Train LeNet-5 as published; return errors pass by pass, and of shifted test images."""
    sets = for_lenet(run)
    x, y = (tensor[:many] for tensor in sets["train"])
    net = LeNet5().to(run.device)
    generator = torch.Generator(run.device).manual_seed(seed)

    def anew(images):
        return torch.cat([distort(part, generator=generator) for part in images.split(1000)])

    session = fit(
        net, x, y, net.rbf.loss_map,
        schedule=falling(passes_of(run)),
        batch_size=run.pick(test=10, default=10, full=20),
        curvature_patterns=run.pick(test=10, default=100, full=500),
        distortion=anew if distorted else None,
        generator=torch.Generator().manual_seed(seed), track=run.track,
    )  # fmt: skip
    curve = [[done.error, error_rate(net, *sets["test"])] for done in session]
    scores = predict(net, sets["test"][0])
    return {
        "curve": curve,
        "test": curve[-1][1],
        "reject": reject_at(scores, sets["test"][1], 0.005),
        "shifted": [shifted_error(net, sets["test"], by) for by in SHIFTS]
        if many == amounts(run)[-1] and not distorted
        else None,
    }


def shifted_error(net, test, by):
    """Return the error on test images moved by some pixels, the mean over four directions."""
    places = [(by, 0), (-by, 0), (0, by), (0, -by)] if by else [(0, 0)]
    return mean([error_rate(net, shift(test[0], *place), test[1]) for place in places])


def amounts(run):
    """Return the sizes of the training set; the paper's own in full."""
    small = [150, 300, 600, 1000]
    return run.pick(test=[20, 40], default=small, full=[15_000, 30_000, 60_000])


def lenets(run, many, distorted=False):
    """Return the trials over the seeds."""
    seeds = run.seeds(run.pick(test=1, default=3))
    return [run.trial(train_lenet, many=many, distorted=distorted, seed=s) for s in seeds]


def recipe(run):
    """Return in words how LeNet-5 is trained."""
    return (
        "LeNet-5 as published with eq. 9 (j = 1), diagonal second-order rates, the schedule of "
        f"§III-B over {passes_of(run)} passes of its 20, {run.pick(test=10, default=10, full=20)} "
        "patterns to a step"
    )
