"""Outside text in descriptions and notes becomes no link, no image and no tag."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from passivedns.model import Entity, Relation
from passivedns.stix.builder import Publisher, additions
from passivedns.stix.markdown import inert
from passivedns.stix.note import summary_note

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
# https://github.github.com/gfm/#autolinks-extension-, more widely: remark-gfm also looks in text that was escaped.
AUTOLINK = re.compile(r"://|www\.|\S@\S|(?:mailto|xmpp):\S", re.IGNORECASE)
HOSTILE = (
    *("https://phish.example/login", "http://a", "HTTPS://A.EXAMPLE", "ftp://phish.example", "www.phish.example"),
    *(
        "WWW.phish.example",
        "(www.phish.example)",
        "*www.phish.example",
        "bob@phish.example",
        "mailto:bob@phish.example",
    ),
    *("[x](https://phish.example)", "![x](//phish.example/x.png)", "[x][y]", "[x]", "<https://phish.example>"),
    *("<img src=//phish.example>", "<a href=/x>x</a>", "<code>https://phish.example</code>", "`", "``", "a\\`b", "\\"),
    *("https&#58;//phish.example", "www&#46;phish.example", "bob&commat;phish.example", "https\\://phish.example"),
    *(
        "www\\.phish.example",
        "\n[y]: https://phish.example",
        "\n\n# x",
        "|",
        "~~x~~",
        "**x**",
        "_x_",
        "__x__",
        "a _b_",
        "$x$",
        "[^1]",
        "- x",
    ),
)
PLAIN = ("pingly", "emerging_threats", "Emerging Threats, Inc. (US)", "sensor-1", "D4/node+2", "Überwachung; 3:4")


def assert_inert(markdown: str) -> None:
    """Only paragraphs, tables, plain text and code spans."""
    # As pycti does on import.
    imported = markdown.replace("<code>", "`").replace("</code>", "`")
    parsed = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(imported)
    found = [inner for token in parsed for inner in [token, *(token.children or [])]]
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in found}
    assert kinds <= {"paragraph", "inline", "text", "code_inline", "table", "thead", "tbody", "tr", "th", "td"}
    linked = [token.content for token in found if token.type == "text" and AUTOLINK.search(token.content)]
    assert linked == []


def texts(*sensors: str) -> list[str]:
    """The description of a relationship, and the abstract and the content of a note."""
    entity = Entity("domain-name--3500c14b-9bde-5393-b4e5-b260aea7e058", "Domain-Name", "www.example.org")
    relations = [Relation("resolves-to", "192.0.2.1", "IPv4-Addr", False, ("A",), (("cof", sensors),), NOW, NOW)]
    publisher = Publisher({"cof": "COF server"}, {"cof": "TLP:CLEAR"})
    note = summary_note(entity, relations, publisher, "2026-11-24T12:00:00.000Z", "2026-11-24T12:00:00.000Z")
    return [additions(entity, relations, publisher, NOW)[-1]["description"], note["abstract"], note["content"]]


@pytest.mark.parametrize("sensor", HOSTILE)
def test_no_sensor_becomes_a_link_an_image_or_a_tag(sensor: str) -> None:
    for text in texts(sensor, "pingly", sensor):
        assert_inert(text)


@given(st.lists(st.lists(st.sampled_from([*HOSTILE, *PLAIN]) | st.text(max_size=8)).map("".join), min_size=1))
def test_no_sensors_together_become_a_link_an_image_or_a_tag(sensors: list[str]) -> None:
    for text in texts(*sensors):
        assert_inert(text)


@pytest.mark.parametrize("sensor", PLAIN)
def test_plain_words_stay_as_they_are(sensor: str) -> None:
    assert inert(sensor) == sensor


@pytest.mark.parametrize("sensor", ["www.circl.lu", "https://www.circl.lu/pdns/", "sensor1.example.org", "a&b"])
def test_other_text_stays_readable_in_a_code_span(sensor: str) -> None:
    assert inert(sensor) == f"`{sensor}`"
