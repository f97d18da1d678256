"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from .errata import counts, filtered, not_steadily
from .tokens import any_string, exception, slots

CLAIMS = [any_string, slots, exception, counts, not_steadily, filtered]
