"""Where the repository lies."""

import os
from pathlib import Path

ROOT = Path(os.environ.get("FLOPWISE_ROOT", Path(__file__).resolve().parents[3]))
