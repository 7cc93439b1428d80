"""Explains connection errors, which the libraries wrap several times and print with the request."""

import socket
import ssl
from collections.abc import Iterator
from http.client import IncompleteRead

from requests.exceptions import InvalidProxyURL, ProxyError
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxySchemeUnknown,
    ReadTimeoutError,
)

_CA_BUNDLE = "the CA bundle cannot be read; check REQUESTS_CA_BUNDLE"
_NO_PROXY = "the proxy does not connect"

_CAUSES: tuple[tuple[str | type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ("CA certificate bundle", _CA_BUNDLE),
    ("[X509", _CA_BUNDLE),
    (ssl.SSLCertVerificationError, "its TLS certificate is not trusted; if its CA is private, set REQUESTS_CA_BUNDLE"),
    ("SOCKS", "SOCKS proxies are not supported; set HTTPS_PROXY to an HTTP proxy"),
    ((InvalidProxyURL, ProxySchemeUnknown), "the URL of the proxy is invalid; check HTTPS_PROXY"),
    (ProxyError, _NO_PROXY),
    ("Tunnel connection failed", _NO_PROXY),
    (ssl.SSLError, "no TLS connection can be made; check whether {address} should begin with http://"),
    (socket.gaierror, "its host name does not resolve; check the network and {address}"),
    (NewConnectionError, "no connection can be made"),
    ((ConnectTimeoutError, ReadTimeoutError, TimeoutError), "no answer within {timeout:g} s"),
    ((ProtocolError, IncompleteRead), "the response was cut off"),
)
"""Error classes or parts of messages with their meaning, the most specific first."""


def cause(error: Exception, address: str, timeout: float) -> str:
    """The cause of a connection error, without the request; `address` is the variable of the source's URL."""
    causes = list(_wrapped(error))
    for sign, sentence in _CAUSES:
        if any(sign in str(each) if isinstance(sign, str) else isinstance(each, sign) for each in causes):
            return sentence.format(address=address, timeout=timeout)
    return f"the connection failed ({type(causes[-1]).__name__})"


def _wrapped(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its wrapped errors and its causes."""
    while error is not None:
        yield error
        wrapped = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((each for each in wrapped if isinstance(each, BaseException)), None)
