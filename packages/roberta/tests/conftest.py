"""One thread for the tests: a second one spins when the machine is busy.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

torch.set_num_threads(1)
