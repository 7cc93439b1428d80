"""Tells what the words of an error are about: a rate limit, a quota, the credentials or the licence.

The words are those of recorded errors, of the clients of the sources, and of usual gateways (Kong, slowapi, nginx).
"""

import re

from passivedns.errors import CredentialsRefused, NotEntitled, QuotaExceeded, RateLimited, SourceError

LONGEST = 1000
"""Characters of a message that are read."""

_PER = re.compile(r"(?:\b(?:per|each|every|(?<!in )an?)\s|/)\s*(?:\d+\s*)?").pattern
_SHORT = re.compile(rf"{_PER}(?:secs?|seconds?|mins?|minutes?|hrs?|hours?)\b|\d/[smh]\b|\b(?:minute|hour)ly\b", re.I)
_LONG = re.compile(rf"{_PER}(?:days?|weeks?|months?|years?)\b|\d/d\b|\b(?:dai|week|month|year)ly\b|\btoday\b", re.I)
_LIMIT = re.compile(
    r"limit|quota|exceed|exhaust|used up|too many|throttl|out of|insufficient|\bno\b.*\b(?:left|remain)|spent|deplet",
    re.I,
)
_RATE = re.compile(
    r"rate.?limit|too.?many.?requests|throttl|slow down|too (?:fast|quickly|often|frequent)|concurren", re.I
)
_QUOTA = re.compile(r"quota|\bcredits?\b|allowance|(?:query|search|usage|look-?up)s? limit", re.I)
_USED_UP = re.compile(
    r"exceed|exhaust|used.up|reach|out of|\bno\b.*\b(?:left|remain)|insufficient|not enough|spent|deplet", re.I
)
_KEY = r"(?:token|api.?key|key|credentials?|password|login|authentication|authorization)"
_CREDENTIALS = re.compile(
    r"unauthori[sz]ed|not authenticated|authentication (?:required|failed)|log ?in required"
    rf"|\b(?:invalid|expired|missing|unknown|wrong|bad|incorrect|no)\b[\w /'-]{{0,24}}\b{_KEY}"
    rf"|\b{_KEY}s?\b[\w /:'*-]{{0,40}}\b(?:invalid|expired|missing|unknown|wrong|revoked|disabled|required|not valid)",
    re.I,
)
_LICENCE = re.compile(
    r"entitle|subscription|upgrade|licen[cs]e|forbidden|access denied|permission|not (?:allowed|permitted)", re.I
)
_REACHED = re.compile(r"limits? (?:has been |was |is )?(?:reached|exceeded)|exceeded .*limit", re.I)


def limit_in(said: str) -> type[SourceError] | None:
    """The limit that a message names: a rate (per second, minute or hour) or a quota (per day or month, or credits)."""
    said = said[:LONGEST]
    if not (_LIMIT.search(said) or _RATE.search(said)):
        return None
    is_short, is_long = bool(_SHORT.search(said)), bool(_LONG.search(said))
    if is_short != is_long:
        return RateLimited if is_short else QuotaExceeded
    if _RATE.search(said):
        return RateLimited
    return QuotaExceeded if _QUOTA.search(said) and _USED_UP.search(said) else None


def is_limit_reached(said: str) -> bool:
    """Whether a message says that a limit is reached, without saying which."""
    return _REACHED.search(said[:LONGEST]) is not None


def names_credentials(said: str) -> bool:
    """Whether a message is about missing or wrong credentials."""
    return _CREDENTIALS.search(said[:LONGEST]) is not None


def by_words(said: str) -> type[SourceError] | None:
    """The class of an error that has no status of an error; None if the words do not tell."""
    if limit := limit_in(said):
        return limit
    if names_credentials(said):
        return CredentialsRefused
    return NotEntitled if _LICENCE.search(said[:LONGEST]) else None
