"""Recognizes addresses and names that mean something else in each network, so that public sources know nothing of them.

Documentation and benchmarking ranges, `.example` and `.test` are no such: they have one meaning everywhere.
"""

from ipaddress import ip_address, ip_network
from socket import inet_pton

from passivedns.model import FAMILIES

_PRIVATE = "private network, RFC 1918"
_NETWORKS = tuple(
    (ip_network(network), meaning)
    for network, meaning in {
        "0.0.0.0/8": "this network, RFC 1122",
        "10.0.0.0/8": _PRIVATE,
        "100.64.0.0/10": "shared address space, RFC 6598",
        "127.0.0.0/8": "loopback, RFC 1122",
        "169.254.0.0/16": "link-local, RFC 3927",
        "172.16.0.0/12": _PRIVATE,
        "192.168.0.0/16": _PRIVATE,
        "224.0.0.0/4": "multicast, RFC 5771",
        "240.0.0.0/4": "reserved or broadcast, RFC 1112",
        "::/128": "unspecified, RFC 4291",
        "::1/128": "loopback, RFC 4291",
        "fe80::/10": "link-local, RFC 4291",
        "fc00::/7": "private network, RFC 4193",
        "ff00::/8": "multicast, RFC 4291",
    }.items()
)
# Most addresses begin with another byte, and `ipaddress` takes 7 µs for each.
_FIRST_BYTES = {
    (network.version, byte)
    for network, _ in _NETWORKS
    for byte in range(network.network_address.packed[0], network.broadcast_address.packed[0] + 1)
}
_DOMAINS = {
    "local": "multicast DNS, RFC 6762",
    "localhost": "loopback, RFC 6761",
    "internal": "private use, reserved by ICANN",
    "home.arpa": "home network, RFC 8375",
    "lan": "private use, never delegated",
    "corp": "private use, never delegated",
    "home": "private use, never delegated",
    "onion": "Tor, RFC 7686",
}


def meaning(value_type: str, value: str) -> str:
    """What makes a canonical value special, such as `private network, RFC 1918`; empty for all others."""
    if family := FAMILIES.get(value_type):
        first = (4 if value_type == "IPv4-Addr" else 6, inet_pton(family, value)[0])
        return _of_address(value) if first in _FIRST_BYTES else ""
    return _of_name(value.rpartition("@")[2])


def _of_address(value: str) -> str:
    address = ip_address(value)
    address = getattr(address, "ipv4_mapped", None) or address
    return next((meaning for network, meaning in _NETWORKS if address in network), "")


def _of_name(name: str) -> str:
    labels = name.split(".")
    return _DOMAINS.get(labels[-1]) or _DOMAINS.get(".".join(labels[-2:]), "")
