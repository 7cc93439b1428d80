"""Serves an application on loopback from a thread."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol


class _WithConnection(H11Protocol):
    """Hands every request its connection as ``state["connection"]``: ASGI has no word for breaking it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        # asyncio does so only where the listener names its protocol; else an answer of two packets takes 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "connection": transport}


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve ``app`` on 127.0.0.1 while the block runs, and yield its base URL (``http://127.0.0.1:PORT``).

    Port 0 takes a free one. Requests still under way when the block ends are dropped.

    Raises OSError when the port is taken, RuntimeError when the application does not start.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            _wait_for_start(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join(timeout=5)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=_WithConnection, loop="asyncio", log_config=None, log_level="critical", access_log=False
    )


def _wait_for_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the application did not start")
        time.sleep(0.005)
