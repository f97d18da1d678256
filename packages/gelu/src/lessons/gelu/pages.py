"""Fresh memory for large results, in large pages where Linux hands them out on request.

The first touch of each page of new memory costs a page fault. A tensor of 50 MB has 12,000 pages
of 4 KiB, whose faults take longer than a GELU's arithmetic, but only 24 of 2 MiB. Linux gives these
to who asks for them if /sys/kernel/mm/transparent_hugepage/enabled says "madvise", to all if it
says "always". NumPy asks for its arrays; torch does where the environment says so when it starts
(THP_MEM_ALLOC_ENABLE=1), and by default does not.
"""

import ctypes
import mmap
import sys

import torch
from torch import Tensor

LARGE = 2**22  # bytes, two large pages: NumPy asks from here on, too
HUGE = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux has it


def advice():
    """Return the C library's madvise, or None where there are no large pages to ask for."""
    if not sys.platform.startswith("linux") or HUGE is None:
        return None
    try:
        madvise = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
    madvise.argtypes, madvise.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], None
    return madvise


MADVISE = advice()


def fresh_like(x: Tensor) -> Tensor:
    """Return ``torch.empty_like(x)``, its memory in large pages if it is large."""
    y = torch.empty_like(x)
    if MADVISE is not None and y.nbytes >= LARGE:
        start = y.data_ptr() & -mmap.PAGESIZE  # of the page that the tensor begins in
        # Only an advice, which changes no content: where it is not taken, nothing is lost.
        MADVISE(start, y.data_ptr() + y.nbytes - start, HUGE)
    return y
