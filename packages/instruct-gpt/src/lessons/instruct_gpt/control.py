r"""Two small machines to steer, many at a time, in numpy.

Constants are those of OpenAI's Gym, CartPole-v1 and Pendulum-v1. Shapes: E environments.
"""

import numpy as np


class CartPole:
    """A pole stands on a cart, which is pushed left (0) or right (1). Each step is worth 1.

    An episode ends when the pole leans more than 12 degrees, when the cart leaves the track, or
    after 500 steps. Observed: position, velocity, angle, angular velocity.
    """

    observation_size, actions, discrete, limit = 4, 2, True, 500

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.generator = generator
        self.state_E4, self.steps_E = np.zeros((count, 4)), np.zeros(count, int)
        self.reset(np.ones(count, bool))

    def reset(self, which_E: np.ndarray) -> None:
        """Begin anew where ``which_E`` is True."""
        self.state_E4[which_E] = self.generator.uniform(-0.05, 0.05, (int(which_E.sum()), 4))
        self.steps_E[which_E] = 0

    def observe(self) -> np.ndarray:
        """Return what is seen, (E, 4)."""
        return self.state_E4.copy()

    def step(self, action_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Push; return rewards and ends (E,). What has ended has begun anew."""
        if not np.isin(action_E, (0, 1)).all():
            raise ValueError(f"actions must be 0 or 1, got {np.unique(action_E)[:5]}")
        _, v, angle, spin = self.state_E4.T
        force = np.where(action_E == 1, 10.0, -10.0)
        mass, pole, half = 1.1, 0.1 * 0.5, 0.5  # of both; of the pole times its half length
        pushed = (force + pole * spin**2 * np.sin(angle)) / mass
        turn = (9.8 * np.sin(angle) - np.cos(angle) * pushed) / (
            half * (4 / 3 - 0.1 * np.cos(angle) ** 2 / mass)
        )
        gain = pushed - pole * turn * np.cos(angle) / mass
        change = np.stack([v, gain, spin, turn], 1)
        self.state_E4 = self.state_E4 + 0.02 * change
        self.steps_E += 1
        lost = (np.abs(self.state_E4[:, 0]) > 2.4) | (np.abs(self.state_E4[:, 2]) > np.pi / 15)
        done = lost | (self.steps_E >= self.limit)
        self.reset(done)
        return np.ones(len(done)), done


class Pendulum:
    """A pendulum hangs from a motor too weak to lift it at once; it has to be swung up and held.

    A step costs angle² + .1 speed² + .001 torque². An episode has 200 steps. Observed: cosine,
    sine, speed. Actions are torques, cut to ±2.
    """

    observation_size, actions, discrete, limit = 3, 1, False, 200

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.generator = generator
        self.angle_E, self.speed_E = np.zeros(count), np.zeros(count)
        self.steps_E = np.zeros(count, int)
        self.reset(np.ones(count, bool))

    def reset(self, which_E: np.ndarray) -> None:
        """Begin anew where ``which_E`` is True."""
        n = int(which_E.sum())
        self.angle_E[which_E] = self.generator.uniform(-np.pi, np.pi, n)
        self.speed_E[which_E] = self.generator.uniform(-1, 1, n)
        self.steps_E[which_E] = 0

    def observe(self) -> np.ndarray:
        """Return what is seen, (E, 3)."""
        return np.stack([np.cos(self.angle_E), np.sin(self.angle_E), self.speed_E], 1)

    def step(self, action_E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn; return rewards and ends (E,). What has ended has begun anew."""
        torque = np.clip(action_E, -2, 2)
        if not np.isfinite(torque).all():
            raise ValueError("actions must be finite")
        angle = (self.angle_E + np.pi) % (2 * np.pi) - np.pi
        reward = -(angle**2 + 0.1 * self.speed_E**2 + 0.001 * torque**2)
        speed = self.speed_E + 0.05 * (15 * np.sin(self.angle_E) + 3 * torque)
        self.speed_E = np.clip(speed, -8, 8)
        self.angle_E = self.angle_E + 0.05 * self.speed_E
        self.steps_E += 1
        done = self.steps_E >= self.limit
        self.reset(done)
        return reward, done
