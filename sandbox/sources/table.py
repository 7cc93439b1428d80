"""Lists the stand-ins by source key: how to create and serve them, and the settings with valid credentials."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI

from sandbox.sources import circl, cof, defender, dnsdb, mnemonic, otx, riskiq, riskiq_data, robtex, virustotal
from sandbox.sources.history import Fact
from sandbox.sources.service import Service


class StandIn(NamedTuple):
    """One row."""

    make: Callable[[Sequence[Fact]], Service]
    """Creates a service with these facts."""
    app: Callable[[Any], FastAPI]
    """Creates its application."""
    settings: Mapping[str, str]
    """The settings that its client requires, by name; `{url}` is replaced by its URL."""

    def variables(self, key: str, url: str) -> dict[str, str]:
        """The environment variables of a connector whose source `key` is at `url`."""
        return {f"{key}_{name}".upper(): value.format(url=url) for name, value in self.settings.items()}


STAND_INS: Mapping[str, StandIn] = {
    "riskiq": StandIn(
        lambda facts: riskiq.PassiveTotal(riskiq_data.answers_of(facts)),
        riskiq.passivetotal_app,
        {"username": riskiq.USERNAME, "api_key": riskiq.API_KEY, "api_base_url": "{url}/pt"},
    ),
    "circl": StandIn(
        circl.Circl,
        circl.circl_app,
        {"username": circl.USERNAME, "password": circl.PASSWORD, "api_base_url": "{url}/pdns"},
    ),
    "cof": StandIn(
        lambda facts: cof.CofServer("balboa", facts),
        cof.cof_app,
        {"url": "{url}/pdns/query"},
    ),
    "mnemonic": StandIn(mnemonic.Mnemonic, mnemonic.mnemonic_app, {"api_base_url": "{url}/pdns/v3"}),
    "robtex": StandIn(robtex.Robtex, robtex.robtex_app, {"api_base_url": "{url}/pdns"}),
    "dnsdb": StandIn(
        dnsdb.Dnsdb,
        dnsdb.dnsdb_app,
        {"api_key": dnsdb.API_KEY, "api_base_url": "{url}"},
    ),
    "virustotal": StandIn(
        virustotal.VirusTotal,
        virustotal.virustotal_app,
        {"api_key": virustotal.API_KEY, "api_base_url": "{url}/api/v3"},
    ),
    "otx": StandIn(otx.Otx, otx.otx_app, {"api_key": otx.API_KEY, "api_base_url": "{url}/api/v1"}),
    "defender": StandIn(
        defender.Defender,
        defender.defender_app,
        {
            "tenant_id": defender.TENANT_ID,
            "client_id": defender.CLIENT_ID,
            "client_secret": defender.CLIENT_SECRET,
            "api_base_url": "{url}/v1.0",
            "login_base_url": "{url}",
        },
    ),
}
