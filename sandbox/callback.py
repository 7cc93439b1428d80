"""Delivers messages over pycti's HTTP listen protocol (6.5 and later)."""

import json
import time
from functools import cached_property
from typing import Any

import requests

_KEY_ID = "sandbox"
_TIMEOUT = 300.0
"""Seconds that the platform's worker waits for a connector; the answer comes when its callback is through."""


class Signer:
    """The platform's Ed25519 key, with which it signs what it sends to connectors (pycti 7.26 and later)."""

    # PyJWT comes with the versions of pycti that ask for a signature, and with no other: hence no import above.

    @cached_property
    def _key(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.generate()

    def jwks(self) -> str:
        """The public half as a JSON Web Key Set (RFC 7517), in a string as ``registerConnector`` answers it."""
        from jwt.algorithms import OKPAlgorithm

        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**public, "kid": _KEY_ID, "alg": "EdDSA", "use": "sig"}]})

    def token(self) -> str:
        """A JSON Web Token that pycti takes for the platform's, good for an hour."""
        import jwt

        claims = {"iss": "opencti", "sub": "connector", "exp": int(time.time()) + 3600}
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": _KEY_ID})


def post(uri: str, message: dict[str, Any], bearer: str) -> None:
    """Hand the message to a connector and wait until its callback is through.

    Raises requests.RequestException when the connector refuses it, does not answer or dies over it.
    """
    answer = requests.post(uri, json=message, headers={"Authorization": f"Bearer {bearer}"}, timeout=_TIMEOUT)
    answer.raise_for_status()
