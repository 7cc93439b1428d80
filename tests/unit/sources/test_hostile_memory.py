"""The memory of a process that reads the worst answers; `make bench-hostile` measures all of them."""

import pytest

from benchmarks.hostile import MOST, MOST_SECONDS, answers, measure

WORST = [
    ("cof", "different rows"),
    ("cof", "UTF-16"),
    ("cof", "one row of 990,000 addresses"),
    ("cof", "one SOA row of 60 MiB"),
    ("circl", "different rows"),
    ("dnsdb", "one row of 400,000 SOA"),
    ("defender", "a million values"),
    ("riskiq", "different rows"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("key", "name"), WORST)
def test_the_worst_answers_take_limited_memory_and_time(key: str, name: str) -> None:
    memory, seconds, outcome = measure(key, name)
    assert memory < MOST, outcome
    assert seconds < MOST_SECONDS


def test_the_worst_answers_are_those_of_the_benchmark() -> None:
    assert all(name in answers(key) for key, name in WORST)
