"""Long tests of what must not happen; scripts/test runs them in short, scripts/torture in full."""

import os

# So many times as long as in scripts/test.
TIMES = int(os.environ.get("FACE_ATTRIBUTES_TORTURE", "1"))
