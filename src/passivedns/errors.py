"""Failures, named after what the operator must do; `str(error)` is the sentence that the work shows."""


class ConnectorError(Exception):
    """Something that the operator can act on, in a sentence for people."""


class SettingsError(ConnectorError):
    """Bad settings: correct config.yml or the environment and start again."""


class PlatformError(ConnectorError):
    """OpenCTI cannot be used at the start: correct its URL, its token or the version of pycti."""


class TlpRefused(ConnectorError):
    """The observable is marked above the maximum TLP: raise the maximum, or leave the observable alone."""


class SourceError(ConnectorError):
    """A source gave no usable answer."""


class CredentialsRefused(SourceError):
    """The source rejected the credentials: correct them."""


class NotEntitled(SourceError):
    """The account is not entitled to passive DNS: ask the provider for a licence."""


class QuotaExceeded(SourceError):
    """The searches of the account are used up: wait for the next reset, or buy more."""


class RateLimited(SourceError):
    """Too many requests in too short a time: ask again later."""


class RequestRefused(SourceError):
    """The source rejected this question."""


class NoAnswer(SourceError):
    """The source failed or timed out: try again later."""


class Unreachable(NoAnswer):
    """No connection to the source, or one that broke: correct its address, the proxy or the CA bundle, or wait."""


class BadAnswer(SourceError):
    """A response that is not the source's: HTML, cut off, too large, or of another shape."""


class AllFailed(SourceError):
    """Several sources were asked, and none of them answered."""


class NotSent(ConnectorError):
    """OpenCTI or its broker did not take the bundle: check both, then enrich again."""


class Unforeseen(ConnectorError):
    """A fault of this connector; its log has the details that a report needs."""
