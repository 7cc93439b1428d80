"""The sources of passive DNS; a new one is a module beside this one and a row here."""

from collections.abc import Mapping

from passivedns.sources.defender import DEFENDER
from passivedns.sources.riskiq import RISKIQ
from passivedns.sources.source import Source

SOURCES: Mapping[str, Source] = {source.key: source for source in (RISKIQ, DEFENDER)}
"""Every source by its key, in the order of the documents."""
