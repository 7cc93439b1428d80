"""Failures, named by what the operator must do; `str(error)` is the sentence that the work shows."""


class ConnectorError(Exception):
    """Something that the operator can act on, said in a sentence for people."""


class SettingsError(ConnectorError):
    """Bad settings: correct config.yml or the environment and start again."""


class PlatformError(ConnectorError):
    """OpenCTI cannot be used at start: correct its URL, its token or the version of pycti."""


class TlpRefused(ConnectorError):
    """A marking of the observable is above `riskiq.max_tlp` or cannot be understood: correct either, or leave it."""


class PassiveTotalError(ConnectorError):
    """PassiveTotal gave no usable answer."""


class CredentialsRefused(PassiveTotalError):
    """401: correct the user name and the API key."""


class NotEntitled(PassiveTotalError):
    """402, or 403 without a word of quota: the account may not use passive DNS through the API."""


class QuotaExceeded(PassiveTotalError):
    """The searches of the account are used up: wait for the next reset, or buy more."""


class RateLimited(PassiveTotalError):
    """429 after every retry: ask less often."""


class RequestRefused(PassiveTotalError):
    """400 and other 4xx: PassiveTotal does not take this question."""


class NoAnswer(PassiveTotalError):
    """No connection, a time-out or a 5xx after every retry: try later, or correct `riskiq.api_base_url`."""


class BadAnswer(PassiveTotalError):
    """An answer that is not PassiveTotal's: HTML, cut off, too large, or JSON of another shape."""


class NotSent(ConnectorError):
    """OpenCTI or its broker did not take the bundle: look at both, then enrich again."""


class Unforeseen(ConnectorError):
    """A fault of this connector: its log has the details that a report needs."""
