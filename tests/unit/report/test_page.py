"""The HTML of the page; tests/browser covers its behaviour."""

import re
from html.parser import HTMLParser
from itertools import combinations
from math import dist
from pathlib import Path

import pytest

from passivedns.errors import NoAnswer, SourceError
from passivedns.model import Answer
from passivedns.report.page import page
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records
from tests.helpers.saved_answers import NOW, lookup_of, seen
from tests.helpers.several_sources import lookup_at, record

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def elements(tmp_path: Path) -> Elements:
    answers = own_records(NOW.date())
    values = (DOMAIN, ADDRESS, "nothing.example")
    return Elements(page([lookup_of(tmp_path, value, answers.get(value, [])) for value in values], NOW))


def test_the_page_is_self_contained(elements: Elements) -> None:
    assert not [tag for tag, _ in elements.tags if tag in ("link", "img", "iframe", "object", "embed", "base")]
    for _, attributes in elements.tags:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")


def test_every_relationship_is_a_row(elements: Elements) -> None:
    assert len([cell for cell in elements.of("td") if cell.get("class") == "value"]) == 13 + 5


def test_a_date_shows_its_time_of_day_on_hover(tmp_path: Path) -> None:
    records = [
        seen("A", "ip", "192.0.2.1", "2020-01-01 03:04:05", "2021-01-01"),
        seen("A", "ip", "192.0.2.2", None, None),
    ]
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW))
    days = [cell.get("title") for cell in elements.of("td") if cell.get("class") == "day"]
    assert days == ["03:04:05 UTC", "00:00:00 UTC", None, None]


def test_the_column_of_values_is_as_wide_as_the_longest(tmp_path: Path) -> None:
    names = ("ns.example.net", "a-long-name.example.net")
    records = [seen("NS", "domain", name, "2020-01-01", "2021-01-01") for name in names]
    (table,) = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW)).of("table")
    assert (table["style"] or "").startswith("--values: 23; ")


def test_the_timeline_extends_to_the_look_up_and_marks_it(tmp_path: Path) -> None:
    records = [seen("A", "ip", "192.0.2.1", "2016-11-24 12:00", "2021-11-24 12:00")]
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW))
    (today,) = [span for span in elements.of("span") if span.get("class") == "today"]
    assert (today["style"], today["title"]) == ("--at: 100.0%", "Looked up on 2026-11-24")
    (bar,) = [cell["style"] for cell in elements.of("td") if cell.get("class") == "line"]
    assert bar == "--from: 0.0%; --width: 50.0%"


def test_no_label_overlaps_today(tmp_path: Path) -> None:
    records = [seen("A", "ip", "192.0.2.1", "2016-01-01", "2021-01-01")]
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW))
    assert "2024" in elements.text
    assert "2026today" not in elements.text


def test_the_number_of_merged_records_is_shown(tmp_path: Path) -> None:
    records = [seen(kind, "domain", "ns.example.net", None, None) for kind in ("NS", "SOA")]
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW))
    assert "2 records, merged into 1 relationship" in elements.text


def lab(colour: str) -> tuple[float, float, float]:
    """A colour such as #2563eb in CIELAB, where distances match perception."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    x, y, z = (
        (share ** (1 / 3) if share > 0.008856 else 7.787 * share + 16 / 116)
        for share in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505,
            0.2126 * red + 0.7152 * green + 0.0722 * blue,
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.0888,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_colours_of_the_record_types_are_distinguishable(scheme: int) -> None:
    style = (Path(page.__code__.co_filename).parent / "page.css").read_text(encoding="utf-8")
    colours = [
        re.findall(rf"--{name}: (#\w{{6}});", style)[scheme] for name in ("a", "aaaa", "cname", "mx", "ns", "soa")
    ]
    assert all(dist(lab(one), lab(other)) > 30 for one, other in combinations(colours, 2))


def test_ids_are_unique(elements: Elements) -> None:
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_several_look_ups_are_listed_on_top(elements: Elements) -> None:
    assert [a["href"] for a in elements.of("a")][:3] == ["#q1", "#q2", "#q3"]
    assert "No relationships to show." in elements.text


def test_records_left_out_are_shown_with_the_reason(elements: Elements) -> None:
    assert "TXT (SPF1): 2" in elements.text


def test_hostile_values_stay_text(tmp_path: Path) -> None:
    records = [
        seen("A", "ip", "192.0.2.1", "2020-01-01", "2021-01-01", SCRIPT, IMAGE, "'\"><svg/onload=alert(1)>"),
        seen("SOA", "email", "'onload=x'&lt;@example.org", None, None),
        seen(SCRIPT, "ip", "192.0.2.2", None, None),
        seen(IMAGE, "ip", "192.0.2.2", None, None),
    ]
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW))
    assert len(elements.of("script")) == 1
    assert not elements.of("img")
    assert not elements.of("svg")
    assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")]
    assert SCRIPT in elements.text
    assert IMAGE in elements.text


def test_only_the_page_s_own_script_may_run(tmp_path: Path) -> None:
    text = page([lookup_of(tmp_path, DOMAIN, [])], NOW)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='", policy)
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_undated_rows_have_no_bar(tmp_path: Path) -> None:
    records = [seen("A", "ip", "192.0.2.1", None, None), seen("A", "ip", "192.0.2.2", "2020-01-01", "2021-01-01")]
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, records)], NOW))
    assert len([cell for cell in elements.of("td") if cell.get("class") == "line" and "style" in cell]) == 1
    assert "unknown" in elements.text


def test_thousands_of_rows_are_all_in_the_table(tmp_path: Path) -> None:
    records = [seen("A", "domain", f"h{number}.example.org", "2020-01-01", "2021-01-01") for number in range(2000)]
    elements = Elements(page([lookup_of(tmp_path, ADDRESS, records)], NOW))
    assert len([cell for cell in elements.of("td") if cell.get("class") == "value"]) == 2000
    assert "2,000 of 2,000" in elements.text


def test_a_look_up_at_several_sources_shows_the_result_of_each_and_names_them_in_every_row() -> None:
    answers: dict[str, Answer | SourceError] = {
        "two": Answer([record("two", "192.0.2.1", sensors=["x"])]),
        "one": Answer([record("one", "192.0.2.1")]),
        "bad": NoAnswer("Bad <b>is</b> failing."),
    }
    elements = Elements(page([lookup_at(answers)], NOW))
    assert "Passive DNS from Two, One and Bad, looked up on" in elements.text
    assert "Two 1; One 1; Bad <b>is</b> failing" in elements.text
    assert "One; Two: x" in elements.text
    assert not elements.of("b")


def test_a_look_up_at_one_source_does_not_repeat_its_name_in_every_row(tmp_path: Path) -> None:
    elements = Elements(page([lookup_of(tmp_path, DOMAIN, [seen("A", "ip", "192.0.2.1", None, None, "pingly")])], NOW))
    assert elements.text.count("RiskIQ PassiveTotal") == 1
    assert len([cell for cell in elements.of("td") if cell.get("class") == "sources"]) == 1
