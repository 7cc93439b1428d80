"""Addresses and names that mean something else in each network."""

import pytest

from passivedns.stix.special_use import meaning
from passivedns.stix.values import is_address

SPECIAL_ADDRESSES = {
    "0.0.0.0": "this network, RFC 1122",  # noqa: S104 - an answer of DNS, nothing binds to it
    "0.255.255.255": "this network, RFC 1122",
    "10.0.0.0": "private network, RFC 1918",
    "10.255.255.255": "private network, RFC 1918",
    "100.64.0.0": "shared address space, RFC 6598",
    "100.127.255.255": "shared address space, RFC 6598",
    "127.0.0.1": "loopback, RFC 1122",
    "127.255.255.255": "loopback, RFC 1122",
    "169.254.169.254": "link-local, RFC 3927",
    "172.16.0.0": "private network, RFC 1918",
    "172.31.255.255": "private network, RFC 1918",
    "192.168.0.0": "private network, RFC 1918",
    "192.168.255.255": "private network, RFC 1918",
    "224.0.0.0": "multicast, RFC 5771",
    "239.255.255.255": "multicast, RFC 5771",
    "240.0.0.0": "reserved or broadcast, RFC 1112",
    "255.255.255.255": "reserved or broadcast, RFC 1112",
    "::": "unspecified, RFC 4291",
    "::1": "loopback, RFC 4291",
    "fe80::1": "link-local, RFC 4291",
    "febf:ffff::": "link-local, RFC 4291",
    "fc00::": "private network, RFC 4193",
    "fdff:ffff::1": "private network, RFC 4193",
    "ff02::1": "multicast, RFC 4291",
    "::ffff:10.0.0.1": "private network, RFC 1918",
    "::ffff:127.0.0.1": "loopback, RFC 1122",
}
ORDINARY_ADDRESSES = (
    *("1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
    *("223.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1"),
    *("::2", "2001:db8::1", "2606:4700::1111", "fbff::", "fec0::1", "::ffff:192.0.2.1", "::ffff:9.9.9.9"),
)
SPECIAL_NAMES = (
    *("printer.local", "a.b.local", "www.localhost", "db.internal", "home.arpa", "nas.home.arpa", "nas.lan"),
    *("dc1.corp", "router.home", "expyuzz4wqqyqhjn.onion", "root@dc1.corp", "root@home.arpa"),
)
ORDINARY_NAMES = (
    *("example.org", "www.example", "a.test", "b.invalid", "local.example", "lan.example.org", "onion.ws"),
    *("mylocal.example", "x.notlocal", "a.corporate", "1.2.0.192.in-addr.arpa", "arpa.home.example"),
    *("root@example.org", "corp@example.org"),
)


def type_of(value: str) -> str:
    """OpenCTI's type of a value."""
    if is_address(value):
        return "IPv6-Addr" if ":" in value else "IPv4-Addr"
    return "Email-Addr" if "@" in value else "Domain-Name"


@pytest.mark.parametrize(("value", "why"), SPECIAL_ADDRESSES.items())
def test_an_address_of_a_special_network_has_its_meaning(value: str, why: str) -> None:
    assert meaning(type_of(value), value) == why


@pytest.mark.parametrize("value", SPECIAL_NAMES)
def test_a_name_or_mailbox_below_a_special_domain_has_a_meaning(value: str) -> None:
    assert meaning(type_of(value), value)


@pytest.mark.parametrize("value", [*ORDINARY_ADDRESSES, *ORDINARY_NAMES])
def test_documentation_benchmarks_and_all_others_are_ordinary(value: str) -> None:
    assert meaning(type_of(value), value) == ""
