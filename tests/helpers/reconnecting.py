"""Waits for enrichments that need a new connection to the broker."""

from sandbox.works import Work
from tests.helpers.world import WAIT


def assert_closed_by_its_own_message(work: Work, value: str) -> None:
    work.wait(WAIT)
    assert work.message is not None
    assert value in work.message
    assert not work.in_error
    assert (work.imported, work.errors) == (work.expectations, [])
