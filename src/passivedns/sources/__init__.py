"""The sources of passive DNS; a new one is a module beside this one and a row here."""

from collections.abc import Mapping

from passivedns.sources.dnsdb import DNSDB
from passivedns.sources.otx import OTX
from passivedns.sources.riskiq import RISKIQ
from passivedns.sources.source import Source
from passivedns.sources.virustotal import VIRUSTOTAL

SOURCES: Mapping[str, Source] = {source.key: source for source in (RISKIQ, DNSDB, VIRUSTOTAL, OTX)}
"""Every source by its key, in the order of the documents."""
