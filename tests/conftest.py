"""One thread per test process: small networks run faster so, and far faster where the cores are busy."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
