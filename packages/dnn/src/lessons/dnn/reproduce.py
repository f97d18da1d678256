"""The papers' claims, re-tested: what is learned, how often, and how fast.

The chapter does not always say whether weights change after each pattern or after each sweep, and
only once in which range they begin. So claims about rates are measured both ways and at the
chapter's learning rates, and a claim gets the benefit of its best setting.
"""

from .exact import EXACT
from .exclusive_or import EXCLUSIVE_OR
from .images import IMAGES
from .in_time import IN_TIME
from .layered_tasks import LAYERED
from .relations import family_relations

CLAIMS = sorted(
    [*EXACT, *EXCLUSIVE_OR, *LAYERED, family_relations, *IN_TIME, *IMAGES],
    key=lambda claim: (len(claim.id.rstrip("abcdef")), claim.id),
)
