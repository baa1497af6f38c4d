"""One thread per test process: small networks run faster so, and far faster where the cores are busy."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fuzz"))  # mutations of files

os.environ.setdefault("OMP_NUM_THREADS", "1")
