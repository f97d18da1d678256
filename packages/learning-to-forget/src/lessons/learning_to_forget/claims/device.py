"""Nets of a few hundred weights learn on the CPU, abreast; another device is refused."""

import dataclasses
import functools

from ..lab.claim import Claim, Finding
from ..lab.run import Run


def on_this_device(claim: Claim) -> Claim:
    """Return a claim that refuses another device than the CPU; D2 and D3 run on any."""
    if claim.id in ("D2", "D3"):
        return claim

    @functools.wraps(claim.experiment)
    def asked(run: Run) -> Finding:
        if run.device.type != "cpu":
            why = "nets of 375 weights learn a symbol at a time, which no accelerator makes faster"
            raise ValueError(f"--device must be cpu, got {run.device}: {why}")
        return claim.experiment(run)

    return dataclasses.replace(claim, experiment=asked)
