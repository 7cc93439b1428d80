"""Finds the stand-ins: each module here that is named after a source defines one, `STAND_IN`."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from sandbox.sources.service import StandIn

_FOLDER = Path(__file__).parent
_MODULES = {
    name: import_module(f"sandbox.sources.{name}") for _, name, _ in iter_modules([str(_FOLDER)]) if name != "table"
}

STAND_INS: Mapping[str, StandIn] = {
    key: module.STAND_IN for key, module in _MODULES.items() if hasattr(module, "STAND_IN")
}
"""By the key of the source."""
