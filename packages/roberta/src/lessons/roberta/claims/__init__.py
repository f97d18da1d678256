"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from .losses import lower_loss

CLAIMS = [lower_loss]
