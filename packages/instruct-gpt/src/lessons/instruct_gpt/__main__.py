"""Re-test the paper's claims on this machine: ``python -m lessons.<topic> --help``."""

import os
import sys

# libgomp's threads spin while they wait, which on a busy machine made small operations up to 100
# times slower; it reads this variable only when it is loaded, so a run starts once more. A command
# of the package's own ("read") answers at once, and would only wait twice for torch.
measures = all(argument.startswith("-") for argument in sys.argv[1:2])
if measures and sys.platform == "linux" and "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.execv(sys.executable, sys.orig_argv)

try:
    from .lab.runner import main

    sys.exit(main(sys.argv[1:]))
except ModuleNotFoundError as error:
    if (error.name or "lessons").startswith("lessons"):  # a fault of ours: nothing to install
        raise
    topic = os.path.basename(os.path.dirname(os.path.abspath(__file__))).replace("_", "-")
    need = f"pip install 'lessons-{topic}[demo]'"
    sys.exit(f"{error.name} is not installed, and this command needs it: {need}")
except KeyboardInterrupt:
    sys.exit("Stopped. What was finished is kept: the same command goes on from there.")
