"""What the status and the body of PassiveTotal's answers mean.

Sources: the vendor's client and those of Splunk SOAR, MISP, CRITs and Maltego, which met one form of error each.
"""

import json
import re
from typing import Any

from riskiq.errors import (
    BadAnswer,
    CredentialsRefused,
    NoAnswer,
    NotEntitled,
    PassiveTotalError,
    QuotaExceeded,
    RateLimited,
    RequestRefused,
)


def read_answer(status: int, body: bytes) -> Any:
    """The JSON of a body, or None where PassiveTotal knows nothing: a 404 of its own, or a success without a body.

    Raises:
        PassiveTotalError: of the class that the status and the body call for.
    """
    answer = _parse(body)
    said, stated_status = _complaint(answer)
    status = stated_status if status < 400 and stated_status else status
    if 200 <= status < 300 and not said:
        return _success(answer)
    if status == 404 and answer is not _UNREADABLE:
        return None
    raise _failure(status, said)


_UNREADABLE = object()


def _parse(body: bytes) -> Any:
    """JSON, None for an empty body, or `_UNREADABLE`."""
    if not body.strip():
        return None
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return _UNREADABLE
    return _UNREADABLE if answer is None else answer


def _success(answer: Any) -> Any:
    if answer is _UNREADABLE:
        raise BadAnswer("PassiveTotal's answer is no JSON, or was cut off; is RISKIQ_API_BASE_URL right?")
    return answer


def _complaint(answer: Any) -> tuple[str, int | None]:
    """The words of an error body, and the status that the oldest form states in it.

    Forms on record: `{"error": {"http_code", "message", "developer_message"}}`, `{"error": "…", "message": "…"}` and
    `{"message": "…"}`.
    """
    if not isinstance(answer, dict) or "results" in answer:
        return "", None
    error, message, code = answer.get("error"), answer.get("message"), None
    if isinstance(error, dict):
        code = error.get("http_code")
        error = error.get("message") or error.get("developer_message")
    said = "; ".join(text for text in (error, message) if isinstance(text, str) and text)
    return _clean(said), code if isinstance(code, int) and 400 <= code < 600 else None


def _clean(text: str) -> str:
    """The server's words on one line of bearable length."""
    return "".join(c if c.isprintable() else " " for c in text[:200]).strip()


_QUOTA_WORDS = re.compile(r"quota|query limit|limit (?:has been |was )?(?:reached|exceeded)", re.IGNORECASE)


def _failure(status: int, said: str) -> PassiveTotalError:
    words = f" It says: {said}" if said else ""
    if status == 401:
        return CredentialsRefused(
            f"PassiveTotal refuses the credentials; correct RISKIQ_USERNAME and RISKIQ_API_KEY.{words}"
        )
    if status == 402:
        return NotEntitled(f"The PassiveTotal account may not use passive DNS through the API (402).{words}")
    if _QUOTA_WORDS.search(said):
        return QuotaExceeded(f"The PassiveTotal quota is used up.{words}")
    if status == 429:
        return RateLimited(f"PassiveTotal is asked too often (429); try again later.{words}")
    if status == 403:
        return NotEntitled(f"PassiveTotal forbids the search to this account (403).{words}")
    if status >= 500:
        return NoAnswer(f"PassiveTotal is failing ({status}); try again later.{words}")
    if status == 404 or status < 400:
        return BadAnswer(f"PassiveTotal's answer ({status}) is none of its API; is RISKIQ_API_BASE_URL right?{words}")
    return RequestRefused(f"PassiveTotal refuses the request ({status}).{words}")
