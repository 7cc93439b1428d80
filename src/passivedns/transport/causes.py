"""Says in words why a connection to another server failed, for sources, OpenCTI and its broker alike."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from http.client import BadStatusLine, IncompleteRead
from typing import NamedTuple
from urllib.parse import urlsplit

from requests.exceptions import InvalidProxyURL, ProxyError
from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxySchemeUnknown,
    ReadTimeoutError,
)

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that requests reads, in its order."""


class Peer(NamedTuple):
    """A server as the operator knows it."""

    title: str
    address: str
    """The variables that say where it is, such as `CIRCL_API_BASE_URL`."""
    url: str = ""
    """Where requests to it go; empty if no proxy is used for them."""
    bundle: tuple[str, str] = ("", "")
    """The variable that names the trusted certificates, and the file; by default as requests reads them."""
    without_tls: str = "check whether {address} should begin with http://"
    """The remedy if it does not speak TLS."""


_WRAPPING = ("exception", "reason")
"""The attributes in which pika and urllib3 keep the error behind an error."""
_NO_BUNDLE = "the CA bundle cannot be read; check {bundle}"
_BROKEN = "the response was cut off"
_SILENT = "no answer within {timeout:g} s"

_CAUSES: tuple[tuple[str | type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ("CA certificate bundle", _NO_BUNDLE),
    ("[X509", _NO_BUNDLE),
    ("SOCKS", "SOCKS proxies are not supported; set HTTPS_PROXY to an HTTP proxy"),
    ((InvalidProxyURL, ProxySchemeUnknown), "the URL of the proxy is invalid; check {proxy_variable}"),
    (
        "Tunnel connection failed: 407",
        "the proxy {proxy} requires a login; put its user name and password into {proxy_variable}",
    ),
    (
        "Tunnel connection failed: 403",
        "the proxy {proxy} does not allow this host; allow it there, or exclude it with NO_PROXY",
    ),
    (
        "Tunnel connection failed",
        "the proxy {proxy} cannot connect to this host; check the proxy, or exclude the host with NO_PROXY",
    ),
    (ProxyError, "no connection to the proxy {proxy} can be made; check {proxy_variable}, or use NO_PROXY"),
    (ssl.SSLError, "no TLS connection can be made; {without_tls}"),
    (socket.gaierror, "its host name does not resolve; check the network and {address}"),
    (ConnectionRefusedError, "the connection is refused; check that it runs there, and {address}"),
    ((ConnectTimeoutError, ReadTimeoutError, TimeoutError), _SILENT),
    ("Timeout during AMQP handshake", f"{_SILENT}; check {{address}}"),
    ("Timeout while setting up transport", _SILENT),
    (NewConnectionError, "no connection can be made; check the network, the firewall and {address}"),
    (IncompleteRead, _BROKEN),
    ((BadStatusLine, ConnectionResetError), f"{_BROKEN}{{or_tls}}"),
    (ProtocolError, _BROKEN),
)
"""Error classes or parts of messages with their meaning, the most specific first."""

_UNTRUSTED = "the TLS certificate is from an issuer that is not trusted; "
_SELF_SIGNED = "the TLS certificate is self-signed; "
_CERTIFICATES: Mapping[int, str] = {
    9: "its TLS certificate is not valid yet; check the clock of this machine",
    10: "its TLS certificate has expired; have it renewed, or check the clock of this machine",
    18: _SELF_SIGNED,
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    62: "its TLS certificate is for another host; check {address}",
    64: "its TLS certificate is for another host; check {address}",
}
"""By OpenSSL's code (X509_V_ERR_…); those that end in a semicolon are about trust."""


def cause(error: BaseException, peer: Peer, timeout: float) -> str:
    """The cause of a connection error, which the libraries wrap several times and print with the request."""
    causes = list(related(error))
    for each in causes:
        if isinstance(each, ssl.SSLCertVerificationError) and "[X509" not in str(each):
            return _rejected_certificate(each, peer)
    for sign, sentence in _CAUSES:
        if any(sign in str(each) if isinstance(sign, str) else isinstance(each, sign) for each in causes):
            return _fill(sentence, peer, timeout)
    return f"the connection failed ({type(causes[-1]).__name__})"


def related(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps or follows from; the libraries wrap errors several times."""
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            around = (each.__context__, each.__cause__, *each.args, *(getattr(each, name, None) for name in _WRAPPING))
            left += [other for other in around if isinstance(other, BaseException)]


def _fill(sentence: str, peer: Peer, timeout: float = 0) -> str:
    return sentence.format(
        address=peer.address,
        bundle=_bundle(peer)[0],
        or_tls=f"; check whether {peer.address} should begin with https://" if _is_plain(peer.url) else "",
        proxy=proxy_of(peer.url),
        proxy_variable=proxy_variable(peer.url),
        timeout=timeout,
        without_tls=peer.without_tls.format(address=peer.address),
    )


def _rejected_certificate(error: ssl.SSLCertVerificationError, peer: Peer) -> str:
    code = getattr(error, "verify_code", 0)
    sentence = _CERTIFICATES.get(code)
    if sentence is None:
        return f"its TLS certificate is not accepted ({getattr(error, 'verify_message', code)})"
    if not sentence.endswith("; "):
        return _fill(sentence, peer)
    variable, file = _bundle(peer)
    what = "the certificate" if sentence == _SELF_SIGNED else "its issuer"
    return sentence + (
        f"the CA bundle {file} ({variable}) does not contain {what}"
        if file
        else f"set {variable} to a CA bundle that contains {what}"
    )


def _bundle(peer: Peer) -> tuple[str, str]:
    """The variable with the trusted certificates, and their file if it is set."""
    if any(peer.bundle):
        return peer.bundle
    return next(((name, os.environ[name]) for name in _BUNDLES if os.environ.get(name)), (_BUNDLES[0], ""))


def _is_plain(url: str) -> bool:
    return url.lower().startswith("http:")


# Proxies


def proxy_of(url: str) -> str:
    """Host and port of the proxy for requests to a URL, without its credentials; empty if there is none."""
    try:
        parts = urlsplit(select_proxy(url, get_environ_proxies(url)) or "")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}" if parts.hostname else ""


def proxy_variable(url: str) -> str:
    """The environment variable that names the proxy for a URL."""
    name = f"{urlsplit(url).scheme or 'https'}_proxy"
    has_own = any(os.environ.get(spelled) for spelled in (name, name.upper()))
    has_common = any(os.environ.get(spelled) for spelled in ("all_proxy", "ALL_PROXY"))
    return "ALL_PROXY" if has_common and not has_own else name.upper()


# Web pages


def is_page(body: bytes) -> bool:
    """Whether a body is a web page; no API here sends XML."""
    return re.match(rb"(?:\xef\xbb\xbf)?\s*<", body[:1000]) is not None


def foreign(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What shows that an error is not from an API, such as `a web page, server: cloudflare`; empty if nothing does."""
    is_code = re.match(rb"\s*error code: \d{4}\s*$", body[:100])  # Cloudflare's, to clients that are not browsers
    if not (is_page(body) or is_code or "cf-mitigated" in headers or status in (407, 511)):
        return ""
    server = re.sub(r"[^\w ./()-]", "", headers.get("server", ""))[:40]
    what = "a web page" if is_page(body) else "not from the API"
    return f"{what}, server: {server}" if server else what


def blocked_request(peer: Peer, status: int, what: str) -> str:
    """The sentence about an error that does not come from a server itself; `what` is from `foreign`."""
    title, proxy, answer = peer.title, proxy_of(peer.url), f"(HTTP {status}, {what})"
    if status == 407:
        which, variable = f"The proxy {proxy}" if proxy else "A proxy", proxy_variable(peer.url)
        return f"{which} requires a login (HTTP 407); put its user name and password into {variable}"
    if status == 511:
        return f"The network requires a sign-in (HTTP 511); sign in to it, or have it let {title} pass"
    if proxy and _is_plain(peer.url):
        return (
            f"The proxy {proxy} or something behind it blocked the request to {title} {answer}; allow the host there, "
            "or exclude it with NO_PROXY"
        )
    if status >= 500:
        return (
            f"{title} is down, or something between the connector and {title} blocked the request {answer}; try again "
            "later, then check the proxy and the firewall"
        )
    return (
        f"Something between the connector and {title} blocked the request {answer}; check the proxy and the firewall, "
        f"and whether {title} blocks this address"
    )
