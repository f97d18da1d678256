"""The paper's claims, re-tested."""

CLAIMS = []
