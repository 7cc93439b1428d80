"""`helper.listen` starts our listener for the protocol of the settings."""

import threading
from typing import Any

import pytest

from passivedns.delivery import listening
from passivedns.delivery.listening import ListeningHelper


class Listener(threading.Thread):
    """In place of a listener; ends at once."""

    def __init__(self, helper: Any, callback: Any) -> None:
        super().__init__()
        self.given = helper, callback


class Amqp(Listener):
    pass


class Http(Listener):
    pass


@pytest.mark.parametrize(("protocol", "kind"), [("AMQP", Amqp), ("API", Http), (None, Amqp)])
def test_listen_starts_the_listener_of_the_protocol_and_returns_when_it_ends(
    helper: ListeningHelper, monkeypatch: pytest.MonkeyPatch, protocol: str | None, kind: type[Listener]
) -> None:
    """pycti supports only AMQP before 6.5, and then has no such setting."""
    monkeypatch.setattr(listening, "AmqpListener", Amqp)
    monkeypatch.setattr(listening, "HttpListener", Http)
    if protocol:
        helper.listen_protocol = protocol
    elif hasattr(helper, "listen_protocol"):
        del helper.listen_protocol
    helper.listen(str)
    assert type(helper.listen_queue) is kind
    assert helper.listen_queue.given == (helper, str)
    assert not helper.listen_queue.is_alive()
