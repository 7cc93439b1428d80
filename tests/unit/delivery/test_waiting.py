"""How long a message waits for its sources."""

from types import SimpleNamespace
from typing import Any

import pytest

from passivedns.delivery import waiting
from passivedns.delivery.delivery import Delivery
from passivedns.delivery.waiting import MAX_WAIT, wait_for_sources
from passivedns.errors import (
    AllFailed,
    BadAnswer,
    CredentialsRefused,
    NoAnswer,
    QuotaExceeded,
    RateLimited,
    SourceError,
    TlpRefused,
    Unreachable,
)
from passivedns.opencti.message import Message


class Waiting(Delivery):
    """A message whose pauses are noted and take no time."""

    def __init__(self, key: str = "key") -> None:
        super().__init__(key, {}, redelivered=False)
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        clock[0] += seconds


clock = [0.0]


@pytest.fixture(autouse=True)
def _own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(waiting, "_begun", {})


def message(delivery: Delivery, mode: str | None = "auto") -> Message:
    data: dict[str, Any] = {"mode": mode, "enrichment_entity": {}, "stix_entity": {}}
    logger = SimpleNamespace(info=lambda *_: None)
    retrier = SimpleNamespace(delivery=delivery)
    pycti = {"work_id": None, "playbook": None, "enrichment_shared_organizations": None, "connector_logger": logger}
    helper: Any = SimpleNamespace(retrier=retrier, **pycti)
    return Message(data, helper)


def pause_for(error: SourceError, mode: str | None = "auto") -> float | None:
    delivery = Waiting()
    return delivery.pauses[0] if wait_for_sources(message(delivery, mode), error) else None


def left_alone(kind: type[SourceError], seconds: float) -> SourceError:
    return kind("no", retry_in=seconds)


def server_error() -> SourceError:
    error = NoAnswer("no")
    error.status = 500
    return error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (left_alone(Unreachable, 60), 60),
        (left_alone(RateLimited, 17), 17),
        (left_alone(NoAnswer, 47), 47),
        (server_error(), waiting.PAUSE),
        (NoAnswer("timed out"), None),
        (left_alone(CredentialsRefused, 300), None),
        (left_alone(QuotaExceeded, 60), None),
        (BadAnswer("no"), None),
        (left_alone(RateLimited, 601), None),
        (AllFailed("no", (left_alone(Unreachable, 60), left_alone(RateLimited, 17))), 17),
        (AllFailed("no", (left_alone(Unreachable, 60), TlpRefused("no"))), 60),
        (AllFailed("no", (left_alone(Unreachable, 60), left_alone(CredentialsRefused, 300))), None),
    ],
)
def test_a_message_waits_only_for_what_will_pass(error: SourceError, seconds: float | None) -> None:
    assert pause_for(error) == seconds


@pytest.mark.parametrize("mode", ["manual", "playbook", None])
def test_people_and_playbooks_do_not_wait(mode: str | None) -> None:
    assert pause_for(left_alone(Unreachable, 60), mode) is None


def test_a_message_waits_ten_minutes_in_total_over_all_its_deliveries() -> None:
    waited = 0.0
    for _ in range(20):
        delivery = Waiting()
        wait_for_sources(message(delivery), left_alone(Unreachable, 60))
        waited += sum(delivery.pauses)
    assert waited == MAX_WAIT


def test_each_message_has_its_own_time() -> None:
    for key in ("one", "other"):
        delivery = Waiting(key)
        while wait_for_sources(message(delivery), left_alone(Unreachable, 60)):
            pass
        assert sum(delivery.pauses) == MAX_WAIT


def test_what_is_remembered_of_old_messages_is_forgotten() -> None:
    for number in range(100):
        clock[0] += MAX_WAIT
        wait_for_sources(message(Waiting(str(number))), left_alone(Unreachable, 60))
    assert len(waiting._begun) < 5
