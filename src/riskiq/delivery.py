"""How a message comes in: pycti's listener, and what the listener would keep to itself."""

from collections.abc import Callable
from typing import Any

from pycti import OpenCTIConnectorHelper
from pycti.connector import opencti_connector_helper
from pycti.connector.opencti_connector_helper import ListenQueue
from typing_extensions import override


def listen(helper: OpenCTIConnectorHelper, callback: Callable[[dict[str, Any]], str]) -> None:
    """Listen as `helper.listen` does, but tell the callback in `data["mode"]` what caused the message.

    It is `manual` where a person asked, `playbook` where a playbook did, `auto` where OpenCTI did so by itself, and
    None where OpenCTI does not say, which it does since 6.8.
    """
    opencti_connector_helper.ListenQueue = _Listener
    helper.listen(callback)


class _Listener(ListenQueue):  # type: ignore[misc]  # pycti is untyped
    """Handles messages over AMQP and over HTTP as pycti does."""

    @override
    def _data_handler(self, json_data: Any) -> None:
        _add_mode(json_data)
        super()._data_handler(json_data)


def _add_mode(message: Any) -> None:
    """pycti hands over the event only. The mode goes with it, so that messages that overlap cannot mix theirs."""
    match message:
        case {"event": dict() as event, "internal": dict() as internal}:
            event["mode"] = "playbook" if "playbook" in internal else internal.get("mode")
