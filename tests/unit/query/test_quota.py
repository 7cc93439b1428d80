"""The quota of a source: read once a minute and counted down to the reserve in between."""

from collections.abc import Callable

import pytest

from passivedns.errors import CredentialsRefused, NoAnswer, QuotaExceeded, RateLimited, Unreachable
from passivedns.model import Allowance, Quota
from passivedns.query import quota as meter_module
from passivedns.query.quota import QuotaMeter
from passivedns.query.rate_limit import RateLimit
from passivedns.sources import SOURCES

RISKIQ = SOURCES["riskiq"]


class Account:
    """Counts how often its quota is read."""

    def __init__(self, *left: float, limit: float = 100) -> None:
        self.quota = Quota(tuple(Allowance(f"owner {i}", limit - n, limit, "2026-12-01") for i, n in enumerate(left)))
        self.read_times = 0

    def read(self) -> Quota:
        self.read_times += 1
        return self.quota


def failing(error: Exception) -> Callable[[], Quota]:
    def read() -> Quota:
        raise error

    return read


def test_a_budget_is_read_once_and_counted_down() -> None:
    account, meter = Account(3), QuotaMeter(RISKIQ)
    for left in (3, 2, 1):
        meter.refresh(account.read)
        assert meter.left == left
        meter.spend()
    assert account.read_times == 1


def test_a_budget_is_read_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "MAX_AGE", 0)
    account, meter = Account(3), QuotaMeter(RISKIQ)
    meter.refresh(account.read)
    meter.spend()
    meter.refresh(account.read)
    assert (account.read_times, meter.left) == (2, 3)


def test_the_tightest_allowance_counts() -> None:
    meter = QuotaMeter(RISKIQ)
    meter.refresh(Account(9, 2, 5).read)
    assert meter.left == 2


def test_the_error_for_a_used_up_quota_names_the_reset() -> None:
    meter = QuotaMeter(RISKIQ)
    meter.refresh(Account(1).read)
    meter.spend()
    with pytest.raises(QuotaExceeded) as error:
        meter.spend()
    assert str(error.value) == (
        "The PassiveTotal quota of the owner 0 is used up (100 searches). It resets on 2026-12-01."
    )


def test_retries_do_not_spend_the_reserve() -> None:
    meter = QuotaMeter(RISKIQ, reserve=5)
    meter.refresh(Account(6).read)
    meter.spend()
    with pytest.raises(QuotaExceeded) as error:
        meter.spend()
    assert str(error.value) == (
        "The PassiveTotal quota of the owner 0 is down to 5 of 100 searches, which are reserved "
        "(RISKIQ_QUOTA_RESERVE is 5). It resets on 2026-12-01."
    )


def test_an_unknown_budget_does_not_stop_searches() -> None:
    meter = QuotaMeter(RISKIQ, reserve=5)
    meter.refresh(Quota)
    meter.spend()
    assert meter.left is None


def test_an_unreadable_budget_is_logged_and_does_not_stop_searches(caplog: pytest.LogCaptureFixture) -> None:
    meter = QuotaMeter(RISKIQ)
    meter.refresh(failing(NoAnswer("PassiveTotal server error (HTTP 500); try again later.")))
    meter.spend()
    assert "The quota cannot be read; querying PassiveTotal anyway." in caplog.text


@pytest.mark.parametrize("kind", [CredentialsRefused, Unreachable])
def test_failures_that_would_stop_the_search_too_end_the_look_up(kind: type[Exception]) -> None:
    with pytest.raises(kind):
        QuotaMeter(RISKIQ).refresh(failing(kind("no")))


def test_each_attempt_waits_for_the_rate_limit() -> None:
    meter = QuotaMeter(RISKIQ, rate_limit=RateLimit("PassiveTotal", "1/minute", max_wait=0))
    meter.spend()
    with pytest.raises(RateLimited):
        meter.spend()
