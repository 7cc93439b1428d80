"""Runs the connector, or the commands `check` and `lookup`."""

import sys
import traceback

OLDEST = (3, 11)

if __name__ == "__main__":
    # Before any import of this project, and in words that every Python can read.
    if sys.version_info < OLDEST:
        used, needed = ".".join(map(str, sys.version_info[:2])), ".".join(map(str, OLDEST))
        sys.exit("This is Python " + used + ", but the connector needs Python " + needed + " or later.")
    try:
        from passivedns.commands.cli import main

        code = main()
    except Exception:
        # pycti's hook would end the process with SIGTERM, and without a traceback.
        traceback.print_exc()
        code = 1
    sys.exit(code)
