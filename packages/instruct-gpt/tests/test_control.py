"""The machines to steer, and Algorithm 1."""

import math

import numpy as np
import pytest
import torch

from lessons.instruct_gpt.actor_critic import ControlConfig, Policy, train
from lessons.instruct_gpt.control import CartPole, Pendulum


def world(kind, n=1, seed=0):
    return kind(n, np.random.default_rng(seed))


def test_a_pole_that_is_pushed_one_way_falls_the_other():
    cart = world(CartPole)
    cart.state_E4[:] = 0
    cart.step(np.array([1]))
    cart.step(np.array([1]))
    position, _, angle, _ = cart.observe()[0]
    assert position > 0 > angle


def test_cartpole_by_hand():
    """The first step from rest: θ'' = −cosθ·F/M / (½(4/3 − .1/M)), x'' = F/M − .05 θ''/M."""
    cart = world(CartPole)
    cart.state_E4[:] = 0
    cart.step(np.array([1]))
    turn = -(10 / 1.1) / (0.5 * (4 / 3 - 0.1 / 1.1))
    gain = 10 / 1.1 - 0.05 * turn / 1.1
    np.testing.assert_allclose(cart.observe()[0], [0, 0.02 * gain, 0, 0.02 * turn])


def test_an_episode_ends_and_another_begins():
    cart, lengths, length = world(CartPole), [], 0
    for _ in range(300):
        reward, done = cart.step(np.array([1]))
        length += 1
        assert reward[0] == 1
        if done[0]:
            lengths.append(length)
            length = 0
            assert np.abs(cart.observe()).max() <= 0.05
    assert set(lengths) <= {8, 9, 10, 11}, "pushed one way it falls in nine or ten steps"


def test_a_pendulum_without_a_motor_keeps_its_energy_nearly():
    swing = world(Pendulum)
    swing.angle_E[:], swing.speed_E[:] = 2.0, 0.0
    energies = []
    for _ in range(100):
        energies.append(swing.speed_E[0] ** 2 / 2 + 15 * math.cos(swing.angle_E[0]))
        swing.step(np.zeros(1))
    assert max(energies) - min(energies) < 3, "of the 30 between top and bottom"
    assert world(Pendulum).step(np.array([9.0]))[0] == world(Pendulum).step(np.array([2.0]))[0]


def test_a_pendulum_costs_what_gym_says():
    swing = world(Pendulum)
    swing.angle_E[:], swing.speed_E[:] = 1.0 + 2 * math.pi, 3.0
    reward, _ = swing.step(np.array([1.5]))
    assert reward[0] == pytest.approx(-(1 + 0.1 * 9 + 0.001 * 2.25))


@pytest.mark.parametrize("discrete", [True, False])
def test_the_kl_of_two_policies_is_torchs(discrete):
    policy = Policy(2, 3, 4, discrete)
    width = 4 if discrete else 8
    old, new = torch.randn(2, 5, width), torch.randn(2, 5, width)

    def law(out):
        if discrete:
            return torch.distributions.Categorical(logits=out)
        mean, log_std = out.chunk(2, -1)
        return torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)

    kl = torch.distributions.kl_divergence(law(old), law(new))
    torch.testing.assert_close(policy.kl(old, new), kl, atol=1e-5, rtol=1e-5)
    action = policy.draw(old)
    torch.testing.assert_close(policy.log_probs(old, action), law(old).log_prob(action))


def test_copies_do_not_mix():
    """Another first weight in the second copy leaves the first copy's net alone."""
    policy = Policy(2, 3, 2, True)
    x = torch.randn(2, 5, 3)
    out = policy(x)
    out[1].square().sum().backward()
    assert all((p.grad[0] == 0).all() for p in policy.parameters())
    assert any((p.grad[1] != 0).any() for p in policy.parameters())


def test_ppo_learns_to_hold_the_pole_and_equal_seeds_agree():
    config = ControlConfig(epochs=5, lr=1e-3)
    first, second = (train(CartPole, 6_144, config, seed=3)[0] for _ in range(2))
    assert first == second
    assert np.mean(first[-10:]) > 2 * np.mean(first[:30])


@pytest.mark.parametrize("surrogate", ["none", "fixed", "adaptive", "gradient"])
def test_every_surrogate_runs_on_both(surrogate):
    config = ControlConfig(surrogate, environments=4, horizon=64, epochs=2)
    for kind in (CartPole, Pendulum):
        totals = train(kind, 1_024, config, copies=2)
        assert len(totals) == 2
        assert all(np.isfinite(t).all() and t for t in totals)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: ControlConfig("trust"), "surrogate must be one of .*, got 'trust'"),
    (lambda: ControlConfig(minibatch=100), r"minibatch \(100\) must divide the batch \(2048\)"),
    (lambda: ControlConfig(eps=0.0), r"eps must be in \(0, inf\], got 0"),
    (lambda: ControlConfig(target=-1.0), r"target must be in \(0, inf\], got -1"),
    (lambda: world(CartPole, 0), "count must be at least 1, got 0"),
    (lambda: world(CartPole).step(np.array([2])), "actions must be 0 or 1, got"),
    (lambda: world(Pendulum).step(np.array([math.nan])), "actions must be finite"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
