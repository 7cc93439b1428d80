"""What the words of an error are about; a rate limit is never a quota, and neither is a refused key."""

import pytest

from passivedns.errors import CredentialsRefused, NotEntitled, QuotaExceeded, RateLimited
from passivedns.transport.complaints import by_words, limit_in

RATES = [
    "Rate limit exceeded: 50 per 1 minute",
    "API rate limit exceeded",
    "Too many requests",
    "too many requests per second",
    "limit of 10 requests per second",
    "You have exceeded the limit of 10 requests per second.",
    "Over throttling limit (100/hour)",
    "rate limit reached for your address",
    "Rate Limit Exceeded",
    "Request was throttled. Expected available in 47 seconds.",
    "TooManyRequestsError",
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'",
    "Maximum of 5/s exceeded",
    "hourly limit reached",
    "Too many concurrent queries",
    "Slow down, please",
]
QUOTAS = [
    "quota exceeded",
    "Quota exhausted",
    "quota_exceeded for user",
    "Your monthly quota has been exceeded",
    "daily query limit reached",
    "You have exceeded your daily query limit (quota).",
    "Rate limit exceeded: 1000 per 1 day",
    "limit of 50 searches per month reached",
    "You've exceeded the usage limits for your account.",
    "No credits left",
    "insufficient credits",
    "You are out of credits",
    "search limit reached",
]


@pytest.mark.parametrize("said", RATES)
def test_a_limit_per_second_minute_or_hour_is_a_rate_limit(said: str) -> None:
    assert limit_in(said) is RateLimited


@pytest.mark.parametrize("said", QUOTAS)
def test_a_limit_per_day_or_month_a_quota_or_credits_are_a_quota(said: str) -> None:
    assert limit_in(said) is QuotaExceeded


@pytest.mark.parametrize(
    "said",
    [
        "",
        "your quota does not include this product",
        "limit must be less than 10000",
        "Resource limit exceeded",
        "This endpoint is not part of the monthly plan",
        "Invalid or expired token",
        "Forbidden",
        "memory limit exceeded",
    ],
)
def test_other_words_name_no_limit(said: str) -> None:
    assert limit_in(said) is None


@pytest.mark.parametrize(
    "said",
    [
        "Invalid or expired token",
        "Unauthorized",
        "missing or unknown token",
        "Invalid authentication credentials",
        "Wrong API key",
        "Your API key is invalid",
        "no API key was sent",
        "Authentication required",
    ],
)
def test_a_wrong_or_missing_key_is_about_the_credentials(said: str) -> None:
    assert by_words(said) is CredentialsRefused


def test_a_missing_subscription_is_about_the_licence() -> None:
    assert by_words("This feature is not available for your subscription package.") is NotEntitled


def test_a_long_message_is_read_in_bounded_time() -> None:
    assert by_words("no limit exceeded " * 100_000) is None
