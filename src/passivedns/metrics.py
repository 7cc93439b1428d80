"""What the connector counts and measures, in Prometheus' global registry.

pycti serves that registry over HTTP where CONNECTOR_EXPOSE_METRICS is true.
"""

from prometheus_client import Counter, Gauge, Histogram

from passivedns.model import Budget

REQUESTS = Counter("pdns_requests", "Requests to a source, repeated ones included.", ["source", "purpose"])
WAITING = Histogram(
    "pdns_wait_seconds",
    "Time from a request to a source to the end of its response, or to its failure.",
    ["source", "purpose"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
SEARCHES = Counter("pdns_searches", "Look-ups asked of a source, whatever came of them.", ["source"])
CACHE_HITS = Counter("pdns_cache_hits", "Look-ups that were answered from the cache.", ["source"])
_QUOTA_USED = Gauge("pdns_quota_used_searches", "Searches spent when the quota was last read.", ["source", "owner"])
_QUOTA_LIMIT = Gauge("pdns_quota_limit_searches", "Searches allowed when the quota was last read.", ["source", "owner"])


def show_budget(source: str, budget: Budget) -> None:
    """Show what was read of the quota of a source, by its key."""
    for allowance in budget.allowances:
        _QUOTA_USED.labels(source, allowance.owner).set(allowance.used)
        _QUOTA_LIMIT.labels(source, allowance.owner).set(allowance.limit)
