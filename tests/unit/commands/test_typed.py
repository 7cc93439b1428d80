"""What people type or paste is understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passivedns.commands.typed import hosts, lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ["example.org"]),
        ("Example.ORG.", ["Example.ORG"]),
        ("  example.org \r\n", ["example.org"]),
        ("\ufeffexample.org", ["example.org"]),
        ("exam\u200bple.org", ["example.org"]),
        ("example[.]org", ["example.org"]),
        ("example(.)org", ["example.org"]),
        ("example{.}org", ["example.org"]),
        ("example[dot]org", ["example.org"]),
        ("example(DOT)org", ["example.org"]),
        ("bob (at) example (dot) org", ["example.org"]),
        ("example [.] org, b.example", ["example.org", "b.example"]),
        ("example[.org", ["example.org"]),
        ("example.]org", ["example.org"]),
        (r"example\.org", ["example.org"]),
        ("192[.]0[.]2[.]1", ["192.0.2.1"]),
        ("192.0.2[.]1", ["192.0.2.1"]),
        ("2001[:]db8[:][:]1", ["2001:db8::1"]),
        ("http://example.org", ["example.org"]),
        ("HTTPS://Example.org/", ["Example.org"]),
        ("hxxps://example.org/login", ["example.org"]),
        ("hxxps[://]example[.]org/a[.]b", ["example.org"]),
        ("hxxp[:]//example[.]org", ["example.org"]),
        ("hXXp://example.org?x=http://b.example/", ["example.org"]),
        (r"http:\\example.org\login", ["example.org"]),
        ("ftp://example.org#top", ["example.org"]),
        ("//example.org/x.js", ["example.org"]),
        ("example.org/login", ["example.org"]),
        ("https://user@example.org:8443/x", ["example.org"]),
        ("https://user:p@ss@example.org/x@y", ["example.org"]),
        ("https://example.org/a,b;c.html", ["example.org"]),
        ("https://[2001:db8::1]:8443/x", ["2001:db8::1"]),
        ("192.0.2.1:443", ["192.0.2.1"]),
        ("192.0.2.1/login", ["192.0.2.1"]),
        ("example.org:443", ["example.org"]),
        ("[2001:db8::1]:443", ["2001:db8::1"]),
        ("[2001:db8::1]", ["2001:db8::1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("bob@example.org", ["example.org"]),
        ("mailto:bob@example.org", ["example.org"]),
        ("bob[at]example[dot]org", ["example.org"]),
        ("<bob@example.org>", ["example.org"]),
        ('"example.org"', ["example.org"]),
        ("'example.org',", ["example.org"]),
        ("“example.org”", ["example.org"]),
        ("`example.org`", ["example.org"]),
        ("<example.org>", ["example.org"]),
        ("<https://example.org/x>", ["example.org"]),
        ("(example.org)", ["example.org"]),
        ("[example.org]", ["example.org"]),
        ("example.org,", ["example.org"]),
        ("example.org;", ["example.org"]),
        ("example.org!", ["example.org"]),
        (".example.org", ["example.org"]),
        ("a.example,b.example", ["a.example", "b.example"]),
        ("a.example, b.example; c.example", ["a.example", "b.example", "c.example"]),
        ("a.example\tb.example", ["a.example", "b.example"]),
        ("a.example|192.0.2.1", ["a.example", "192.0.2.1"]),
        ("['a.example', 'b.example']", ["a.example", "b.example"]),
        ("https://a.example/x,hxxp://b.example/y", ["a.example", "b.example"]),
        ("- example.org", ["example.org"]),
        ("*.example.org", ["*.example.org"]),
        ("hxxp://*.example[.]org/", ["*.example.org"]),
        ("192.0.2.0/24", ["192.0.2.0/24"]),
        ("192[.]0[.]2[.]0/24", ["192.0.2.0/24"]),
        ("(192.0.2.0/24)", ["192.0.2.0/24"]),
        ("[192.0.2.0/24]", ["192.0.2.0/24"]),
        ("192.0.2.0/255.255.255.0", ["192.0.2.0/255.255.255.0"]),
        ("2001:db8::/32", ["2001:db8::/32"]),
        ("نامه\u200cای.com", ["نامه\u200cای.com"]),
        ("", [""]),
        (",", [","]),
        ("///", ["///"]),
    ],
)
def test_the_hosts_of_a_text_are_found(text: str, expected: list[str]) -> None:
    assert hosts(text) == expected


@given(st.text() | st.text(st.sampled_from("a.[](){}dot:/@,;| \\\"'<>0x%?#\u200b")))
def test_any_text_has_a_host_or_is_kept(text: str) -> None:
    assert hosts(text)


@pytest.mark.parametrize("text", ["," * 200_000, "[" * 200_000, "://," * 50_000, "a://," * 50_000, "a." * 200_000])
def test_a_long_text_takes_no_time(text: str) -> None:
    assert hosts(text)


@pytest.mark.parametrize(
    "data",
    [
        b"example.org\n\n  \n192.0.2.1\n",
        b"example.org\r\n192.0.2.1",
        b"\xef\xbb\xbfexample.org\r\n192.0.2.1\r\n",
        "example.org\r\n192.0.2.1\r\n".encode("utf-16"),
        b"\xfe\xff" + "example.org\n192.0.2.1\n".encode("utf-16-be"),
    ],
)
def test_the_lines_of_a_file_are_read_in_every_usual_encoding(data: bytes) -> None:
    assert lines(data) == ["example.org", "192.0.2.1"]


def test_a_line_that_is_no_text_costs_no_other() -> None:
    assert lines(b"b\xfccher.example\nexample.org\n")[1:] == ["example.org"]
