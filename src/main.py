"""`python3 main.py` is the daemon; `check` and `lookup` are the tools of its operator."""

import sys

from passivedns.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
