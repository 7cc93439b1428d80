"""Defines the failures, named after the operator's remedy; `str(error)` is the text that the work shows.

ConnectorError            whatever an operator can act on: catch it around an enrichment
  SettingsError           at the start: the settings are invalid
  PlatformError           at the start: OpenCTI cannot be used
  TlpRefused              the observable must not be sent to a source
  SourceError             a source gave no usable answer: catch it around a look-up
    CredentialsRefused    correct the credentials
    NotEntitled           buy or request a licence
    QuotaExceeded         wait for the reset, or buy more
    RateLimited           wait a moment
    RequestRefused        the source does not accept this request
    NoAnswer              try again later
      Unreachable         no connection
      Blocked             something in between answered
    BadAnswer             the response is not from the API
    AllFailed             all sources failed
  Unreadable              OpenCTI did not return the entity
  NotSent                 OpenCTI did not take the bundle
  Unforeseen              a fault of the connector
"""


class ConnectorError(Exception):
    """A failure that the operator can act on."""


class SettingsError(ConnectorError):
    """Invalid settings: correct config.yml or the environment and start again."""


class PlatformError(ConnectorError):
    """OpenCTI cannot be used at the start: correct its URL, its token or the version of pycti."""


class TlpRefused(ConnectorError):
    """The observable's TLP or PAP is above the limit: raise the limit, or do not look it up."""


class SourceError(ConnectorError):
    """A source gave no usable answer."""

    status: int = 0
    """The HTTP status of the response; 0 if there is none."""

    def __init__(self, text: str = "", *, retry_in: float | None = None) -> None:
        super().__init__(text)
        self.retry_in = retry_in
        """Seconds for which the source is not asked again; None if it may be."""


class CredentialsRefused(SourceError):
    """The source rejected the credentials: correct them."""


class NotEntitled(SourceError):
    """The account is not entitled to passive DNS: ask the provider for a licence."""


class QuotaExceeded(SourceError):
    """The quota is exceeded: wait for the reset, or buy more."""


class RateLimited(SourceError):
    """Rate limit exceeded (HTTP 429): try again later."""


class RequestRefused(SourceError):
    """The source rejected this request."""


class NoAnswer(SourceError):
    """The source failed or timed out: try again later."""


class Unreachable(NoAnswer):
    """Connection failed or broken: correct the URL, the proxy or the CA bundle, or wait."""


class Blocked(NoAnswer):
    """A proxy, a firewall or a network answered instead of the source: correct it, or the proxy settings."""


class BadAnswer(SourceError):
    """An unexpected response: HTML, truncated, too large, or in another format."""


class AllFailed(SourceError):
    """None of several sources answered."""

    def __init__(self, text: str, failures: tuple[ConnectorError, ...] = ()) -> None:
        super().__init__(text)
        self.failures = failures
        """The failure of each of them."""


class Unreadable(ConnectorError):
    """OpenCTI did not return the entity: it was deleted, or the user of the token may not see it."""


class NotSent(ConnectorError):
    """OpenCTI or its broker did not take the bundle: check both, then enrich again."""


class Unforeseen(ConnectorError):
    """An internal error; the log has the details for a report."""
