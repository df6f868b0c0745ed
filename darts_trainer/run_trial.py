"""The trial under the name and flags of published manifests: ``python3 run_trial.py --algorithm-settings=…``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # A script's own folder comes first on Python's path: its parent holds the packages, installed or not, and modules
    # of this folder must not be found under their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

    from darts_trainer.__main__ import main

    sys.exit(main())
