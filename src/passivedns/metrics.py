"""What the connector counts and measures, in Prometheus' global registry.

pycti serves that registry over HTTP where CONNECTOR_EXPOSE_METRICS is true.
"""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("pdns_requests", "Requests to a source, repeated ones included.", ["source", "purpose"])
WAITING = Histogram(
    "pdns_wait_seconds",
    "Time from a request to a source to the end of its response, or to its failure.",
    ["source", "purpose"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
