"""Serves the sandbox (`python3 -m sandbox`), and runs the demo once a connector registers."""

import argparse
import sys
import threading
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI

from sandbox.api import opencti_app
from sandbox.demo import console, enrich
from sandbox.opencti import OpenCTI
from sandbox.sources.riskiq import PassiveTotal, passivetotal_app
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records

REGISTRATION_TIMEOUT = 300
"""Seconds within which a connector must register."""


def main() -> int:
    """Serve until SIGTERM or SIGINT; return 1 if the demo failed."""
    arguments = _arguments()
    platform = OpenCTI(broker=arguments.broker)
    platform.token = arguments.token
    app = FastAPI()
    app.mount("/opencti", opencti_app(platform))
    app.mount("/passivetotal", passivetotal_app(PassiveTotal(own_records(datetime.now(UTC).date()))))
    # On all addresses, since the connector runs in another container.
    server = uvicorn.Server(uvicorn.Config(app, host="0.0.0.0", port=arguments.port, log_level="warning"))  # noqa: S104
    failures: list[str] = []
    threading.Thread(target=_demo, args=(platform, server, failures), daemon=True).start()
    server.run()
    return 1 if failures else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 -m sandbox", description=__doc__)
    parser.add_argument("--broker", required=True, help="URL of a RabbitMQ (amqp://...)")
    parser.add_argument("--token", required=True, help="OpenCTI token that the connector must present")
    parser.add_argument("--port", type=int, default=8080, help="port of /opencti and /passivetotal")
    return parser.parse_args()


def _demo(platform: OpenCTI, server: uvicorn.Server, failures: list[str]) -> None:
    """Enrich a domain and an address as soon as a connector listens; stop the server on failure."""
    try:
        platform.wait_registered(REGISTRATION_TIMEOUT)
        console.print("The connector is registered and listens.")
        failures += [value for value in (DOMAIN, ADDRESS) if not enrich(platform, value)]
    except TimeoutError as error:
        failures.append(str(error))
    if failures:
        console.print(f"[bold red]The demo failed[/]: {', '.join(failures)}")
        server.should_exit = True
    else:
        console.print("\nThe demo is done; Ctrl-C ends the sandbox.")


if __name__ == "__main__":
    sys.exit(main())
