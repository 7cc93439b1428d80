"""Serves an application on loopback in a thread."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol


class _WithConnection(H11Protocol):
    """Passes each request its connection as ``state["connection"]``, since ASGI cannot break one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        # asyncio does so only if the listener names its protocol; otherwise responses of two packets take 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "connection": transport}


class _Server(uvicorn.Server):
    """Stops immediately, whereas uvicorn checks ten times a second whether to stop, and then waits."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Stop from any thread."""
        self.should_exit = self.force_exit = True
        # The loop is closed if the server ended by itself.
        with suppress(RuntimeError):
            if self._loop:
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        self._loop, ticks = asyncio.get_running_loop(), 0
        while not await self.on_tick(ticks):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.1)
            ticks += 1

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve ``app`` on 127.0.0.1 while the block runs, and yield its base URL (``http://127.0.0.1:PORT``).

    Port 0 means any free port. Requests in progress when the block ends are dropped.

    Raises OSError if the port is in use, RuntimeError if the application does not start.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = _Server(_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            _wait_for_start(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()
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
