"""Holds the response to a request."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

MAX_BODY = 64 * 2**20
"""Bytes; the largest recorded answer, of 6,912 records, takes about 3 MB."""


class Reply(NamedTuple):
    """A complete response, or its beginning."""

    status: int
    headers: Mapping[str, str]
    """By name, in any case."""
    body: bytes
    """At most `MAX_BODY`."""
    mask: Callable[[bytes], bytes] = bytes
    """Masks the credentials of the request, which a success may contain as data and an error must not quote."""
    cut: bool = False
    """Whether the response is larger than `MAX_BODY`."""

    @property
    def is_blank(self) -> bool:
        """Whether nothing was sent but white space."""
        return not self.cut and (not self.body or self.body.isspace())

    def without_credentials(self) -> Self:
        """The reply to an error that has the status of a success."""
        return self._replace(body=self.mask(self.body))
