"""Many nets at once, a sequence each: the paper's rule against autograd and `online`."""

import dataclasses

import pytest
import torch

from lessons.lstm import LSTM1997, PRESETS, Abreast, TruncatedLearner


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def nets(name, seeds=3, **changes):
    more = {"dtype": torch.float64, "init": 0.7} | changes
    return LSTM1997.from_preset(name, seeded(), seeds=seeds, **more)


def sequences(config, steps, seeds=3, every=False):
    """Return x, targets and lengths, one sequence a net."""
    if config.embed:
        x = torch.randint(config.input_size, (steps, seeds), generator=seeded(1))
    else:
        x = torch.randn(steps, seeds, config.input_size, generator=seeded(1)).double()
    shape = (steps, seeds, config.output_size) if every else (seeds, config.output_size)
    lengths = torch.tensor([steps - 1, *[steps - 3] * (seeds - 1)])
    return x, torch.rand(shape, generator=seeded(2), dtype=torch.float64), lengths


NAMES = ["exp1-4x1", "exp1-3x2", "exp2c-50", "exp3", "exp4", "exp6b"]


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("change", [{}, {"truncate": False}, {"output_gate": False}])
@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_moves_the_weights_against_the_gradient(name, change, every):
    if "output_gate" in change:
        change = {**change, "output_gate_bias": None}
    net = nets(name, **change)
    x, target, lengths = sequences(net.config, 9, every=every)
    rate = torch.tensor([0.5, 0.0, 2.0])
    y, _ = net(x[:, :, None])
    counts = (torch.arange(9)[:, None] < lengths)[..., None]
    if every:
        loss = 0.5 * (counts * (y[:, :, 0] - target) ** 2).sum()
    else:
        y = net(x[:, :, None], lengths=lengths[:, None])[0]
        loss = 0.5 * ((y[:, 0] - target) ** 2).sum()
    loss.backward()
    want = {n: w.detach() - rate.view(-1, *[1] * (w.dim() - 1)) * w.grad
            for n, w in net.named_parameters()}  # fmt: skip
    learner = Abreast(net, rate)
    shown = learner.learn(x, target, lengths)
    keep = counts.expand_as(shown) if every else torch.ones_like(shown, dtype=torch.bool)
    torch.testing.assert_close(shown[keep], (y[:, :, 0] if every else y[:, 0]).detach()[keep])
    for n, w in learner.write().named_parameters():
        torch.testing.assert_close(w.detach(), want[n], rtol=1e-9, atol=1e-12, msg=n)


def test_lessons_one_after_another_are_those_of_the_learner_that_carries_derivatives():
    # Online over five sequences, of other lengths each time: the same rule in another order.
    seeds = 2
    first, second = nets("exp6a", seeds), nets("exp6a", seeds)
    abreast, carried = Abreast(first, 0.5), TruncatedLearner(second, 0.5)
    for i, steps in enumerate((7, 12, 3, 12, 5)):
        x = torch.randint(8, (steps, seeds), generator=seeded(i))
        target = torch.rand(seeds, 4, generator=seeded(i + 9), dtype=torch.float64)
        y = abreast.learn(x, target)
        for t in range(steps):
            last = carried.step(x[t], target if t + 1 == steps else None)
        carried.apply()
        carried.reset()
        torch.testing.assert_close(y, last)
    for a, b in zip(abreast.write().parameters(), second.parameters()):
        torch.testing.assert_close(a, b)


def test_nets_that_rest_learn_no_more():
    net = nets("exp4")
    before = [w.detach().clone() for w in net.parameters()]
    learner = Abreast(net, 1.0)
    learner.rest([0, 2])
    learner.learn(*sequences(net.config, 6))
    for w, b in zip(learner.write().parameters(), before):
        torch.testing.assert_close(w[[0, 2]], b[[0, 2]], rtol=0, atol=1e-15)
        assert not torch.equal(w[1], b[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Abreast(LSTM1997.from_preset("exp2a", seeds=2), 1.0), "abreast learn nets"),
        (lambda: Abreast(LSTM1997.from_preset("exp4"), 1.0), "with seeds"),
        (lambda: Abreast(nets("exp4"), -1.0), "lr must be at least 0"),
        (lambda: Abreast(nets("exp4"), 1.0).learn(torch.ones(5, 2, 2), torch.ones(3, 1)),
         r"x must be \(T, 3, 2\)"),
        (lambda: Abreast(nets("exp4"), 1.0).learn(torch.ones(5, 3, 2), torch.ones(3, 2)),
         r"target must be \(3, 1\)"),
        (lambda: Abreast(nets("exp4"), 1.0).learn(
            torch.ones(5, 3, 2), torch.ones(3, 1), torch.tensor([5, 6, 1])), r"lengths\[1\] is 6"),
        (lambda: Abreast(nets("exp6a"), 1.0).learn(
            torch.full((5, 3), 8), torch.ones(3, 4)), r"symbols in 0 … 7 \(input_size\), has 8"),
    ],
)  # fmt: skip
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_presets_that_learn_abreast():
    fit = [n for n in PRESETS if not n.startswith(("exp2a", "exp2b"))]
    for name in fit:
        c = dataclasses.replace(PRESETS[name], init=0.1)
        Abreast(LSTM1997(c, 2, seeded()), 0.1)
