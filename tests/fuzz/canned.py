"""Provides clients whose source answers every request with one response, without a network."""

from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from passivedns.sources.riskiq import RISKIQ, RiskIQClient, RiskIQSettings
from passivedns.sources.source import Client
from passivedns.transport.http import Http
from passivedns.transport.retry import RetryPolicy


class Canned(BaseAdapter):
    """Replaces the connection of a session; everything above it is real."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._status = status
        self._body = body

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Return the response."""
        response = requests.Response()
        response.status_code, response.request, response.url = self._status, request, str(request.url)
        response.raw = HTTPResponse(BytesIO(self._body), status=self._status, preload_content=False)
        return response

    def close(self) -> None:
        """Do nothing."""


def client_of(status: int, body: bytes) -> Client:
    """Return a client of PassiveTotal that receives that status and body."""
    http = Http(RISKIQ, "http://source.example", RetryPolicy(timeout=1, max_retries=0))
    http.session.mount("http://", Canned(status, body))
    return RiskIQClient(RiskIQSettings.model_validate({"username": "analyst", "api_key": "key"}), http)
