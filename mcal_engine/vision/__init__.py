"""Networks and their training: the only part of the engine that imports torch.

Importing this package alone does not import torch; its modules do.
"""

import os

# torch's OpenMP threads spin while they wait for each other. Beside a busy web server (the trainer
# runs at nice 10) one of them is often not scheduled, and the other burns its core: a 300-step
# training took 92 s instead of 28 s. Passive waiting costs nothing measurable on a quiet machine.
# Read when torch is loaded, so it must be set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
