"""Delivers messages over pycti's HTTP listen protocol (6.5 and later)."""

import json
import time
from functools import cached_property
from typing import Any

import requests

_KEY_ID = "sandbox"
_TIMEOUT = 300.0
"""Seconds that OpenCTI's worker waits for a connector, which responds once its callback returns."""


class Signer:
    """OpenCTI's Ed25519 key, which signs messages to connectors (pycti 7.26 and later)."""

    # Imported late: only the versions of pycti that require a signature install PyJWT.

    @cached_property
    def _key(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.generate()

    def jwks(self) -> str:
        """Return the public key as a JSON Web Key Set (RFC 7517), serialized as in ``registerConnector``."""
        from jwt.algorithms import OKPAlgorithm

        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": _KEY_ID, "alg": "EdDSA", "use": "sig"}]})

    def token(self) -> str:
        """Return a JSON Web Token that pycti accepts as OpenCTI's, valid for an hour."""
        import jwt

        claims = {"iss": "opencti", "sub": "connector", "exp": int(time.time()) + 3600}
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": _KEY_ID})


def post(uri: str, message: dict[str, Any], bearer: str) -> None:
    """Post the message to a connector and wait until its callback returns.

    Raises requests.RequestException if the connector refuses it, does not respond or dies.
    """
    answer = requests.post(uri, json=message, headers={"Authorization": f"Bearer {bearer}"}, timeout=_TIMEOUT)
    answer.raise_for_status()
