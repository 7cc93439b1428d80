"""The daemon: `python3 main.py`."""

import sys

from riskiq.daemon import run
from riskiq.errors import ConnectorError, SettingsError
from riskiq.settings import load_settings


def main() -> int:
    """Run the connector until it is told to stop; 2 tells of bad settings, 1 of an OpenCTI that cannot be used."""
    try:
        run(load_settings())
    except ConnectorError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
