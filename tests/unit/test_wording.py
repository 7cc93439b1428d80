"""Numbers and counts as people read them."""

from datetime import timedelta

import pytest

from passivedns.wording import ago, counted, listed, named, printable


def test_a_noun_follows_its_number() -> None:
    assert [counted(number, "record") for number in (0, 1, 1200)] == ["0 records", "1 record", "1,200 records"]


def test_counts_come_with_the_most_frequent_first() -> None:
    assert listed({"NS": 2, "A": 10, "MX": 2}) == "A 10, MX 2, NS 2"


def test_names_beyond_the_most_are_an_ellipsis() -> None:
    assert named(("a", "b")) == "a, b"
    assert named(("a", "b", "c"), most=2) == "a, b, …"


def test_many_counts_end_in_their_sum() -> None:
    assert listed({"A": 4, "B": 3, "C": 2, "D": 1}, longest=2) == "A 4, B 3, others 3"


def test_what_a_terminal_would_obey_is_blank() -> None:
    assert printable("\x1b[31mred\r\nnext\u202e") == " [31mred \nnext "


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "less than a minute ago"),
        (timedelta(seconds=59), "less than a minute ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=3, minutes=50), "3 hours ago"),
        (timedelta(hours=24), "1 day ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_an_age_is_told_in_the_largest_unit(age: timedelta, words: str) -> None:
    assert ago(age) == words
