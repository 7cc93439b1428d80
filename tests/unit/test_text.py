"""Formatting of numbers, lists, ages and outside text."""

from datetime import timedelta

import pytest

from passivedns.model import Allowance
from passivedns.text import (
    allowance_in_words,
    and_list,
    comma_list,
    duration,
    frequencies,
    one_line,
    printable,
    quantity,
    rates_in_words,
    wait_time,
)


def test_a_noun_follows_its_number() -> None:
    assert [quantity(number, "record") for number in (0, 1, 1200)] == ["0 records", "1 record", "1,200 records"]


def test_the_most_frequent_counts_come_first() -> None:
    assert frequencies({"NS": 2, "A": 10, "MX": 2}) == "A 10, MX 2, NS 2"


def test_too_many_names_end_in_an_ellipsis() -> None:
    assert comma_list(("a", "b")) == "a, b"
    assert comma_list(("a", "b"), max_names=2) == "a, b"
    assert comma_list(("a", "b", "c"), max_names=2) == "a, b, …"


def test_many_counts_end_in_their_sum() -> None:
    assert frequencies({"A": 4, "B": 3, "C": 2, "D": 1}, max_names=2) == "A 4, B 3, others 3"


def test_terminal_control_characters_become_spaces() -> None:
    assert printable("\x1b[31mred\r\nnext\u202e") == " [31mred \nnext "


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=-5), "less than a minute"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=59, seconds=59), "59 minutes"),
        (timedelta(hours=3, minutes=50), "3 hours"),
        (timedelta(hours=24), "1 day"),
        (timedelta(days=400), "400 days"),
    ],
)
def test_a_duration_is_in_the_largest_unit_that_fits(length: timedelta, words: str) -> None:
    assert duration(length) == words


@pytest.mark.parametrize(
    ("names", "words"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_names_are_joined_as_in_a_sentence(names: list[str], words: str) -> None:
    assert and_list(names) == words


def test_outside_text_is_on_one_line_of_limited_length() -> None:
    assert one_line("a\nb\u202e" + "c" * 1000) == "a b " + "c" * 96


@pytest.mark.parametrize(
    ("allowance", "words"),
    [
        (
            Allowance("user", 7, 2000, "2026-12-01"),
            "user: 7 of 2,000 searches used, 1,993 left until 2026-12-01",
        ),
        (Allowance("organization", 12, 10, ""), "organization: 12 of 10 searches used, 0 left"),
    ],
)
def test_an_allowance_shows_used_and_remaining_searches(allowance: Allowance, words: str) -> None:
    assert allowance_in_words(allowance) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 s"), (0.2, "1 s"), (46.3, "47 s"), (120, "120 s"), (121, "3 min"), (7200, "120 min"), (86_400, "24 h")],
)
def test_a_time_to_wait_is_rounded_up(seconds: float, words: str) -> None:
    assert wait_time(seconds) == words


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ("1/second", "1 request a second"),
        ("1/hour;2/day", "1 request an hour and 2 a day"),
        ("2/hour", "2 requests an hour"),
        ("4/minute;500/day;15500/month", "4 requests a minute, 500 a day and 15,500 a month"),
    ],
)
def test_rates_are_worded_in_plain_numbers(rates: str, words: str) -> None:
    assert rates_in_words(rates) == words
