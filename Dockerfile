FROM python:3.12-slim-bookworm AS builder

# pycti version that matches OpenCTI; by default the one pinned in requirements.txt.
ARG PYCTI_VERSION=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY requirements.in requirements.txt /build/
# Another pycti version has other dependencies, so the pins of requirements.txt do not apply.
RUN set -- -r /build/requirements.txt \
    && if [ -n "$PYCTI_VERSION" ]; then set -- -r /build/requirements.in "pycti==$PYCTI_VERSION"; fi \
    && python3 -m venv --without-pip /opt/venv \
    && python3 -m pip install uv==0.13.9 \
    && python3 -m uv pip install --python /opt/venv/bin/python3 --compile-bytecode --no-cache "$@"


FROM python:3.12-slim-bookworm

COPY --from=builder /opt/venv /opt/venv
# pycti before version 7 needs libmagic, through python-magic.
RUN if ls -d /opt/venv/lib/python3*/site-packages/magic >/dev/null 2>&1; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends libmagic1 \
        && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; \
    fi

WORKDIR /opt/opencti-connector-riskiq-passive-total/src
COPY __metadata__ ../__metadata__
COPY entrypoint.sh ../
COPY src ./
# A checkout made with a strict umask is readable only by its owner.
RUN chmod -R a+rX .. && python3 -m compileall -q .

# pycti writes certificates to temporary files; /dev/shm stays writable when the root file system is read-only.
# A new cache volume inherits the owner of this folder.
RUN install -d -o 10001 -g 10001 /var/cache/opencti-passive-dns
ENV PATH="/opt/venv/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/dev/shm \
    XDG_CACHE_HOME=/var/cache \
    CONNECTOR_TYPE=INTERNAL_ENRICHMENT

LABEL org.opencontainers.image.title="OpenCTI connector for passive DNS" \
      org.opencontainers.image.description="Enriches domain names and IP addresses in OpenCTI with passive DNS from one or several sources" \
      org.opencontainers.image.source="https://github.com/OpenCTI-Platform/connectors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/python:3.12-slim-bookworm"

USER 10001:10001
STOPSIGNAL SIGTERM

# While it waits for OpenCTI (PDNS_START_TIMEOUT), the connector is starting, not unhealthy.
HEALTHCHECK --start-period=300s --interval=15s --timeout=5s --retries=3 CMD ["python3", "-m", "passivedns.opencti.health"]

ENTRYPOINT ["/opt/opencti-connector-riskiq-passive-total/entrypoint.sh"]
