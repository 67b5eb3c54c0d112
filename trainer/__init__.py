"""The room that trains: token shards in, a model out. The only one that imports torch.

torch's CPU threads by default spin while they wait for each other. Where other processes want the cores too,
a step of the toy model then took 0.6 to 4 s on two cores instead of 0.3 s (measured). The OpenMP runtime
reads the setting when torch is first imported, so it stands here; one from the environment is respected.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
