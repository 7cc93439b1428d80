"""Runs the connector, or the commands `check` and `lookup`."""

import sys
import traceback

from passivedns.commands.cli import main

if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        # pycti's hook would end the process with SIGTERM, and without a traceback.
        traceback.print_exc()
        code = 1
    sys.exit(code)
