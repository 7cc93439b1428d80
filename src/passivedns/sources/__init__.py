"""Registers the passive DNS sources; each has a module in this package."""

from collections.abc import Mapping

from passivedns.sources.circl import CIRCL
from passivedns.sources.cof import COF
from passivedns.sources.defender import DEFENDER
from passivedns.sources.dnsdb import DNSDB
from passivedns.sources.mnemonic import MNEMONIC
from passivedns.sources.otx import OTX
from passivedns.sources.riskiq import RISKIQ
from passivedns.sources.robtex import ROBTEX
from passivedns.sources.source import Source
from passivedns.sources.virustotal import VIRUSTOTAL

SOURCES: Mapping[str, Source] = {
    source.key: source for source in (RISKIQ, CIRCL, COF, MNEMONIC, ROBTEX, DNSDB, VIRUSTOTAL, OTX, DEFENDER)
}
"""All sources by key, in documentation order."""
