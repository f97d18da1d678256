"""Several nets of Fig. 1's kind (§4.1) side by side, and their training.

Shapes: B examples, K nets side by side, I and J units of two layers.
"""

import copy
import dataclasses
from itertools import pairwise

import torch
from torch import Tensor

from ..lab.run import Run
from ..norm import batch_norm

ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu}
BATCH = 60  # §4.1


@dataclasses.dataclass(frozen=True)
class Setting:
    """What one of several nets side by side is, and how it is trained.

    Attributes:
        norm: "batch", "none", or "detached", which is batch norm whose gradient takes the
            statistics for constants (§2).
        lr: its learning rate.
        std: of its first weights.
        dropout: after each hidden layer.
        shift: the size of the random shift and scale that every unit gets anew at each step, after
            its norm (Santurkar et al. 2018).
    """

    norm: str = "batch"
    lr: float = 0.1
    std: float = 0.1
    dropout: float = 0.0
    shift: float = 0.0


class SideBySide:
    """Nets of one shape that see the same batches, trained by SGD at once.

    A call of torch costs about as much as a small net's arithmetic, so K nets on one axis take
    little longer than one. No number of a net enters another: one that diverges harms nobody.

    Args:
        settings: of the K nets.
        activation: "sigmoid" or "relu".
        sizes: units of each layer.
        generator: draws weights, dropout and shifts.
        momentum: of SGD.
    """

    def __init__(
        self,
        settings: list[Setting],
        activation: str,
        sizes: tuple[int, ...],
        generator: torch.Generator,
        momentum: float = 0.0,
    ) -> None:
        self.settings, self.generator, self.momentum = settings, generator, momentum
        self.act, self.training = ACTIVATIONS[activation], True
        self.kinds = {kind: self.where(kind) for kind in ("batch", "detached", "none")}
        self.weights, self.gains, self.biases = [], [], []
        self.running: list[dict[str, tuple[Tensor, Tensor]]] = []  # of each layer, by kind
        k = len(settings)
        std_K = torch.tensor([setting.std for setting in settings])
        for inputs, outputs in pairwise(sizes):
            # One draw, scaled for each: nets side by side differ in what their settings say.
            draw_IJ = torch.randn(inputs, outputs, generator=generator)
            self.weights.append((draw_IJ * std_K[:, None, None]).requires_grad_())
            self.biases.append(torch.zeros(k, outputs, requires_grad=True))
        for units in sizes[1:-1]:
            self.gains.append(torch.ones(k, units, requires_grad=True))
            channels = {kind: (at.stop - at.start) * units for kind, at in self.kinds.items()}
            self.running.append(
                {kind: (torch.zeros(c), torch.ones(c)) for kind, c in channels.items()}
            )
        self.parameters = [*self.weights, *self.biases, *self.gains]
        self.velocity = [torch.zeros_like(p) for p in self.parameters]
        self.lr_K = torch.tensor([setting.lr for setting in settings])
        self.keep_K = 1 - torch.tensor([setting.dropout for setting in settings])
        self.shift_K = torch.tensor([setting.shift for setting in settings])

    def where(self, kind: str) -> slice:
        """Return which nets have this kind of norm; they must lie together."""
        at = [i for i, setting in enumerate(self.settings) if setting.norm == kind]
        if at and at != list(range(at[0], at[-1] + 1)):
            raise ValueError(f"the settings with norm {kind!r} must follow each other, got {at}")
        return slice(at[0], at[-1] + 1) if at else slice(0, 0)

    def normalize(self, h_BKJ: Tensor, layer: int) -> Tensor:
        """Apply each net's norm; γ and β of those without are a unit gain, never used, and b."""
        parts, (gain_KJ, bias_KJ) = {}, (self.gains[layer], self.biases[layer])
        for kind, nets in self.kinds.items():
            if nets.stop == nets.start:
                continue
            part_BKJ = h_BKJ[:, nets]
            if kind == "none":
                parts[nets.start] = part_BKJ + bias_KJ[nets]
                continue
            mean, var = self.running[layer][kind]
            by_batch = self.training
            if kind == "detached" and by_batch:
                with torch.no_grad():
                    var_, mean_ = torch.var_mean(part_BKJ.flatten(1), 0, correction=0)
                    mean.lerp_(mean_, 0.1)
                    var.lerp_(var_, 0.1)
                mean, var, by_batch = mean_, var_, False
            y = batch_norm(
                part_BKJ.flatten(1), mean, var, gain_KJ[nets].flatten(), bias_KJ[nets].flatten(),
                by_batch,
            )  # fmt: skip
            parts[nets.start] = y.view(part_BKJ.shape)
        return torch.cat([parts[start] for start in sorted(parts)], 1)

    def __call__(self, x_BI: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, K, C) and the inputs of the last hidden nonlinearity (B, K, J)."""
        k, batch = len(self.settings), len(x_BI)
        first_IKJ = self.weights[0].transpose(0, 1)
        h_BKJ = (x_BI @ first_IKJ.reshape(x_BI.shape[1], -1)).view(batch, k, -1)
        z_BKJ = h_BKJ
        for layer, weight_KIJ in enumerate(self.weights[1:]):
            z_BKJ = self.normalize(h_BKJ, layer)
            if self.training and self.shift_K.any():
                size_KJ = self.shift_K[:, None] * torch.randn(
                    2, *z_BKJ.shape[1:], generator=self.generator
                )
                z_BKJ = z_BKJ * (1 + size_KJ[0]) + size_KJ[1]
            a_BKJ = self.act(z_BKJ)
            if self.training and (self.keep_K < 1).any():
                drawn_BKJ = torch.rand(a_BKJ.shape, generator=self.generator)
                a_BKJ = a_BKJ * (drawn_BKJ < self.keep_K[:, None]) / self.keep_K[:, None]
            h_BKJ = torch.bmm(a_BKJ.transpose(0, 1), weight_KIJ).transpose(0, 1)
        return h_BKJ + self.biases[-1], z_BKJ

    def step(self, x_BI: Tensor, labels_B: Tensor) -> Tensor:
        """Take a step of SGD on the mean cross-entropy; return each net's loss before it (K)."""
        losses_K = cross_entropy(self(x_BI)[0], labels_B)
        gradients = torch.autograd.grad(losses_K.sum(), self.parameters, allow_unused=True)
        with torch.no_grad():
            for parameter, gradient, velocity in zip(self.parameters, gradients, self.velocity):
                if gradient is None:
                    continue
                if self.momentum:
                    gradient = velocity.mul_(self.momentum).add_(gradient)
                shape = (-1,) + (1,) * (parameter.ndim - 1)
                parameter.addcmul_(gradient, self.lr_K.view(shape), value=-1)
        return losses_K.detach()

    @torch.no_grad()
    def evaluate(self, x_NI: Tensor, labels_N: Tensor) -> tuple[Tensor, Tensor]:
        """Return each net's mean loss (nats) and accuracy, with running statistics (K)."""
        self.training = False
        logits_NKC = torch.cat([self(part.float())[0] for part in x_NI.split(1000)])
        self.training = True
        right_NK = logits_NKC.argmax(2) == labels_N[:, None]
        return cross_entropy(logits_NKC, labels_N), right_NK.float().mean(0)

    @torch.no_grad()
    def inputs(self, x_BI: Tensor) -> Tensor:
        """Return the last nonlinearity's inputs as in training, but keep running statistics."""
        kept = copy.deepcopy(self.running)
        _, z_BKJ = self(x_BI)
        self.running = kept
        return z_BKJ


def cross_entropy(logits_BKC: Tensor, labels_B: Tensor) -> Tensor:
    """Return the mean loss of each net (K)."""
    logs_BKC = logits_BKC.log_softmax(2)
    return -logs_BKC.gather(2, labels_B[:, None, None].expand(-1, logits_BKC.shape[1], 1)).mean(
        (0, 2)
    )


def nets(settings: list[Setting], activation: str, features: int, seed: int, momentum=0.0):
    """Return nets side by side, three hidden layers of 100 units each as in Fig. 1."""
    generator = torch.Generator().manual_seed(seed)
    return SideBySide(settings, activation, (features, 100, 100, 100, 10), generator, momentum)


def train(run: Run, net: SideBySide, x: Tensor, y: Tensor, steps: int, size: int, what: str):
    """Train and yield the number of each step and the nets' losses before it."""
    for step in run.track(range(1, steps + 1), what):
        batch = torch.randint(len(x), (size,), generator=net.generator)
        yield step, net.step(x[batch].float(), y[batch])
