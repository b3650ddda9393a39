"""Serve the engine with the extension, in the foreground. Run by the engine's own Python, as a file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.local_aws.engine import extension

if __name__ == "__main__":
    extension.install()
    from ministack.app import main

    main()
