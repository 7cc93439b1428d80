"""The canonical form of addresses, names and mailboxes, and the reasons for rejecting others."""

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passivedns.formats import rdata
from passivedns.stix.values import Unusable, address, ascii_name, domain_name, is_address, mailbox

LONG_LABEL = "a" * 63


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - an answer of DNS, nothing binds to it
    ],
)
def test_an_ipv4_address_is_kept(text: str, canonical: str) -> None:
    assert address(text, "IPv4-Addr") == canonical


@pytest.mark.parametrize(
    "text", ["2001:db8::1", "2001:DB8::1", "2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8:0:0::1"]
)
def test_all_spellings_of_an_ipv6_address_have_one_canonical_form(text: str) -> None:
    assert address(text, "IPv6-Addr") == "2001:db8::1"


def test_a_mapped_address_has_one_form_in_every_version_of_python() -> None:
    assert address("::ffff:c000:201", "IPv6-Addr") == "::ffff:192.0.2.1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty value"),
        ("999.1.1.1", "not an IP address"),
        ("192.0.2.01", "not an IP address"),
        ("192.0.2", "not an IP address"),
        ("192.0.2.1\n", "not an IP address"),
        ("192.0.2.1\0", "not an IP address"),
        ("\ud800", "not an IP address"),
        ("192.0.2.0/24", "CIDR range"),
        ("192.0.2.0/255.255.255.0", "CIDR range"),
        ("1" * 1_000_000, "not an IP address"),
        ("2001:db8::1", "wrong IP version"),
        ("www.example.org", "name instead of an address"),
    ],
)
def test_anything_but_an_ipv4_address_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unusable, match=f"^{reason}$"):
        address(text, "IPv4-Addr")


@pytest.mark.parametrize(("text", "reason"), [("fe80::1%eth0", "not an IP address"), ("2001:db8::/32", "CIDR range")])
def test_anything_but_an_ipv6_address_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unusable, match=f"^{reason}$"):
        address(text, "IPv6-Addr")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("example.org", "example.org"),
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("a_b.example.org", "a_b.example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.example.org", "1.example.org"),
        ("4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa"),
        (f"{LONG_LABEL}.example.org", f"{LONG_LABEL}.example.org"),
        (f"{'a.' * 125}org", f"{'a.' * 125}org"),
    ],
)
def test_a_domain_name_is_kept_in_lower_case_without_the_trailing_dot(text: str, canonical: str) -> None:
    assert domain_name(text) == canonical


@pytest.mark.parametrize(
    ("canonical", "spellings"),
    [
        ("example.org", ["ｅxample.org", "example。org", "EXAMPLE．ＯＲＧ．", "ℯxample.org"]),
        ("viii.example", ["Ⅷ.example", "ⅷ.example"]),
        (
            "xn--bcher-kva.example",
            ["bücher.example", "BÜCHER.example.", "bu\u0308cher.example", "XN--BCHER-KVA.example"],
        ),
        ("xn--strae-oqa.example", ["straße.example", "STRAẞE.example"]),
        ("xn--r8jz45g.xn--zckzah", ["例え.テスト", "例え。テスト", "例え.ﾃｽﾄ"]),
        ("xn--mgba3gch31f060k.com", ["نامه\u200cای.com"]),
        ("xn--10cl1a0b660p.com", ["ශ්\u200dරී.com"]),
        ("xn--i-7iq.example", ["i❤.example", "I❤\ufe0f.example"]),
        ("_dmarc.xn--strae-oqa.example", ["_dmarc.straße.example"]),
        ("xn--_bcher-4ya.example", ["_bücher.example"]),
    ],
)
def test_all_spellings_of_a_name_have_the_form_of_the_dns(canonical: str, spellings: list[str]) -> None:
    assert {domain_name(spelling) for spelling in [canonical, *spellings]} == {canonical}


@pytest.mark.parametrize(
    "name",
    [
        "xn--i-7iq.example",
        "xn--strasse-.example",
        "xn--a-ecp.ru",
        "xn--zzzzzzzzz.example",
        "xn--.example",
        "a--b.example",
    ],
)
def test_a_name_in_ascii_stays_as_the_dns_has_it_whatever_idna_2008_thinks_of_it(name: str) -> None:
    assert domain_name(name) == name


def test_the_form_of_a_name_follows_idna_2008_where_idna_2008_has_one() -> None:
    names = ["bücher.example", "straße.example", "例え.テスト", "παράδειγμα.δοκιμή", "ไทย.example", "שלום.example"]
    assert [domain_name(name) for name in names] == [idna.encode(name).decode() for name in names]


@pytest.mark.parametrize(
    "invisible",
    [
        "\u3164",
        "\u115f",
        "\u1160",
        "\uffa0",
        "\u2800",
        "\U0001d159",
        "\u200b",
        "\u2060",
        "\ufeff",
        "\u00ad",
        "\u034f",
        "\u17b4",
        "\u180e",
        "\u2062",
        "\u200e",
        "\u202e",
        "\U000e0061",
        "\u200c",
        "\u200d",
    ],
)
@pytest.mark.parametrize("name", ["exam{}ple.org", "{}.example", "bücher{}.example", "example.org{}"])
def test_a_name_with_an_invisible_letter_is_rejected(invisible: str, name: str) -> None:
    with pytest.raises(Unusable, match=r"^(not a domain name|contains whitespace)$"):
        domain_name(name.format(invisible))


@given(st.text(max_size=40).map("{}.example".format) | st.text(st.sampled_from("aé.ß\u0301\u200dＡ。-_ا0❤xn")))
def test_the_form_of_a_name_is_ascii_and_its_own_form(text: str) -> None:
    try:
        name = domain_name(text)
    except Unusable:
        return
    assert name.isascii()
    assert domain_name(name) == domain_name(f"{name.upper()}.") == ascii_name(text).removesuffix(".").lower() == name


def test_a_million_accents_are_rejected_without_being_composed() -> None:
    with pytest.raises(Unusable, match="name too long"):
        domain_name("a" + "\u0316\u0301" * 500_000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty value"),
        (".", "empty value"),
        ("*.example.org", "wildcard"),
        ("http://example.org/path", "URL"),
        ("example.org/path", "URL"),
        ("184.168.131.0/24", "CIDR range"),
        ("192.0.2.1", "address instead of a name"),
        ("2001:db8::1", "address instead of a name"),
        ("hostmaster@example.org", "mailbox instead of a name"),
        ("localhost", "single label"),
        ("two words.example.org", "contains whitespace"),
        ("line\nbreak.example.org", "contains whitespace"),
        ("example..org", "not a domain name"),
        ("example.org..", "not a domain name"),
        (".example.org", "not a domain name"),
        ("-example.org", "not a domain name"),
        ("-bücher.example", "not a domain name"),
        ("example.o", "not a domain name"),
        ("999.1.1.1", "not a domain name"),
        ("bücher.123", "not a domain name"),
        ("example.org:443", "not a domain name"),
        ("\\032name.example.org", "not a domain name"),
        ('quo"te.example.org', "not a domain name"),
        ("nul\0.example.org", "not a domain name"),
        ("\ud800.example.org", "not a domain name"),
        ("right\u202eleft.example.org", "not a domain name"),
        ("例え", "single label"),
        ("例え。。テスト", "not a domain name"),
        ("１９２.0.2.1", "address instead of a name"),
        ("℀.example", "URL"),
        ("！.example", "not a domain name"),
        ("\u0301a.example", "not a domain name"),
        ("a\u05d0.example", "not a domain name"),
        ("é" * 1_000_000, "name too long"),
        (f"{LONG_LABEL}a.example.org", "not a domain name"),
        (f"{'ü' * 63}.example", "not a domain name"),
        (".".join(["ü" * 50] * 5), "name too long"),
        (f"aa.{'a.' * 124}org", "name too long"),
        ("a" * 1_000_000, "name too long"),
    ],
)
def test_anything_but_a_domain_name_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unusable, match=f"^{reason}$"):
        domain_name(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("hostmaster@example.org", "hostmaster@example.org"),
        ("AWSDNS-Hostmaster@Amazon.com", "awsdns-hostmaster@amazon.com"),
        ("hostmaster@example.org.", "hostmaster@example.org"),
        ("Hostmaster@BÜCHER.example", "hostmaster@xn--bcher-kva.example"),
    ],
)
def test_a_mailbox_is_kept_in_lower_case_without_the_trailing_dot(text: str, canonical: str) -> None:
    assert mailbox(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("hostmaster.example.org", "hostmaster@example.org"),
        ("hostmaster.example.org.", "hostmaster@example.org"),
        (r"first\.last.example.org", "first.last@example.org"),
    ],
)
def test_a_dotted_mailbox_of_an_soa_record_is_usable_once_its_source_has_read_it(text: str, canonical: str) -> None:
    assert mailbox(rdata.mailbox(text)) == canonical


@pytest.mark.parametrize("text", ["example.org", r"a\.\.b.x.org"])
def test_a_dotted_text_that_is_not_a_mailbox_stays_unusable(text: str) -> None:
    with pytest.raises(Unusable, match=r"^not a mailbox$"):
        mailbox(rdata.mailbox(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty value"),
        (".", "empty value"),
        ("example.org", "not a mailbox"),
        ("nobody", "not a mailbox"),
        ("@example.org", "not a mailbox"),
        ("a@b@example.org", "not a mailbox"),
        ("..@x.org", "not a mailbox"),
        ("a..b@x.org", "not a mailbox"),
        (".a@x.org", "not a mailbox"),
        ("a.@x.org", "not a mailbox"),
        ("two words@example.org", "not a mailbox"),
        ("a@exa_mple.org", "not a mailbox"),
        ("a@192.0.2.1", "not a mailbox"),
        ("ü@example.org", "not a mailbox"),
        ("\u212a@example.org", "not a mailbox"),
        ("a@\u3164.example.org", "not a mailbox"),
        ("a@" + "b" * 1_000_000, "not a mailbox"),
    ],
)
def test_anything_but_a_mailbox_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unusable, match=f"^{reason}$"):
        mailbox(text)


@pytest.mark.parametrize(("text", "expected"), [("192.0.2.1", True), ("::1", True), ("a.example", False)])
def test_addresses_of_both_versions_are_distinguished_from_names(text: str, expected: bool) -> None:
    assert is_address(text) is expected


@pytest.mark.parametrize(
    ("name", "in_the_dns"),
    [
        ("example.org", "example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.straße.example", "_dmarc.xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("i❤.example", "xn--i-7iq.example"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_international_name_has_an_ascii_form_in_the_dns(name: str, in_the_dns: str) -> None:
    assert ascii_name(name) == in_the_dns
