"""Lets `helper.listen` start our listeners in place of pycti's."""

from typing_extensions import override

from passivedns.delivery.amqp_listener import AmqpListener
from passivedns.delivery.http_listener import HttpListener
from passivedns.opencti.helper import Callback, Helper


class ListeningHelper(Helper):
    """The helper of the connector."""

    @override
    def listen(self, message_callback: Callback) -> None:
        """Answer messages until the listener ends; see `Answerer` for what the callback gets."""
        # pycti supports only AMQP before 6.5.
        is_http = getattr(self, "listen_protocol", "AMQP") == "API"
        self.listen_queue = (HttpListener if is_http else AmqpListener)(self, message_callback)
        self.listen_queue.start()
        self.listen_queue.join()
