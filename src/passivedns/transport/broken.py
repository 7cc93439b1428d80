"""Tells what a broken connection means for the next attempt."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.exceptions import ReadTimeoutError

_SENT = "sent"
"""The note on an error that came after the request."""
_NO_SUCH_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


@contextmanager
def awaiting_answer() -> Iterator[None]:
    """Mark the errors of the block as later than the request."""
    try:
        yield
    except Exception as error:
        error.add_note(_SENT)
        raise


def was_sent(error: BaseException) -> bool:
    """Whether the request had been sent: the failure then concerns this request, not the connection to the host."""
    return any(_SENT in getattr(each, "__notes__", ()) for each in _related(error))


def may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed and does no harm: a search that timed out may still run at the server."""
    causes = list(_related(error))
    if was_sent(error):
        return not any(isinstance(each, TimeoutError | ReadTimeoutError) for each in causes)
    return not any(map(_is_permanent, causes))


def _is_permanent(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno in _NO_SUCH_HOST
    # A ValueError is a rejected certificate, or an invalid URL or header.
    return isinstance(error, ValueError) or "CA certificate bundle" in str(error)


def _related(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps or follows from; the libraries wrap errors several times."""
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            around = (*each.args, getattr(each, "reason", None), each.__cause__, each.__context__)
            left += [other for other in around if isinstance(other, BaseException)]
