"""Networks and their training: the only part of the engine that imports torch.

Importing this package alone does not import torch; its modules do.
"""

import os

# torch's OpenMP threads spin while they wait for each other. On a busy machine (the trainer runs
# beside a web server, at nice 10) one of them is often not scheduled, and the other burns its core:
# 256-371 ms a step with spinning, 49-133 ms with passive waiting (two cores, load 10 to 16).
# It is read when torch is loaded, so it must be set before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
