"""Runs the connector, or the commands `check` and `lookup`."""

import sys

from passivedns.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
