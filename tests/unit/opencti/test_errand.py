"""Whose turn it is to answer a message: a broker may take it back and deliver it again, here or elsewhere."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from passivedns.opencti.errand import Errand, Postponed

STEP = {"execution_id": "e1"}
PLAYBOOK: dict[str, Any] = {"internal": {"work_id": None, "playbook": STEP}, "event": {"bundle": {"objects": []}}}


def errand(message: Any = None, patience: float = float("inf")) -> Errand:
    return Errand("key", message or {}, False, patience)


def channel() -> Any:
    """What is asked of pika's channel."""
    return SimpleNamespace(is_open=True)


def test_a_message_that_came_over_http_may_be_answered() -> None:
    errand().proceed()


def test_a_message_may_be_answered_while_its_channel_is_open() -> None:
    held = errand()
    held.hold(channel(), 1)
    held.proceed()
    assert held.is_held


def test_a_message_whose_channel_closed_waits_until_it_is_delivered_again() -> None:
    held, lost = errand(), channel()
    held.hold(lost, 1)
    lost.is_open = False
    went_on = threading.Event()

    def go_on() -> None:
        held.proceed()
        went_on.set()

    threading.Thread(target=go_on, daemon=True).start()
    assert not went_on.wait(0.05)
    assert held.hold(channel(), 2)
    assert went_on.wait(30)
    assert held.tag == 2


def test_a_message_that_went_to_another_process_is_left_to_that() -> None:
    held = errand()
    held.hold(channel(), 1)
    held.withdraw()
    with pytest.raises(Postponed):
        held.proceed()
    assert held.was_postponed
    assert not held.is_held


def test_a_message_that_waits_for_its_delivery_notices_that_it_went_elsewhere() -> None:
    held, lost = errand(), channel()
    held.hold(lost, 1)
    lost.is_open = False
    threading.Timer(0.05, held.withdraw).start()
    with pytest.raises(Postponed):
        held.proceed()


def test_a_pause_ends_when_the_message_goes_elsewhere() -> None:
    held = errand()
    threading.Timer(0.05, held.withdraw).start()
    with pytest.raises(Postponed):
        held.pause(3600)


def test_a_message_that_has_ended_is_not_held_again() -> None:
    ended = errand()
    ended.hold(channel(), 1)
    ended.end(answered=True)
    assert not ended.hold(channel(), 2)
    assert ended.tag == 1


def test_a_message_without_patience_left_is_postponed() -> None:
    impatient = errand(patience=0.05)
    impatient.pause(0.1)
    with pytest.raises(Postponed):
        impatient.pause(0.1)


def test_pycti_does_not_take_a_postponed_message_for_one_that_failed() -> None:
    assert not issubclass(Postponed, Exception)


@pytest.mark.parametrize(
    ("message", "work_id"),
    [({"internal": {"work_id": "w1"}}, "w1"), (PLAYBOOK, None), ({"internal": None}, None), ([], None), ({}, None)],
)
def test_the_work_of_a_message_is_known(message: Any, work_id: str | None) -> None:
    assert Errand("key", message, False).work_id == work_id


@pytest.mark.parametrize(
    ("message", "step"),
    [(PLAYBOOK, STEP), ({"internal": {"playbook": STEP}}, None), ({"internal": {"work_id": "w1"}}, None), ([], None)],
)
def test_the_playbook_of_a_message_is_known_where_it_can_be_answered(message: Any, step: Any) -> None:
    assert Errand("key", message, False).playbook == step


def test_a_message_is_named_after_its_work_or_its_playbook() -> None:
    assert str(errand({"internal": {"work_id": "w1"}})) == "w1"
    assert str(errand(PLAYBOOK)) == "a playbook (e1)"
