"""Errors of the registration are explained, in whatever form pycti raises them."""

import json
from collections.abc import Callable
from itertools import islice

import pytest

from passivedns.errors import PlatformError
from passivedns.opencti.registration import growing_pauses, start_error

URL = "http://opencti:8080"

Raised = Callable[[str, str], ValueError]


def graphql_error(code: str, words: str) -> ValueError:
    """What pycti raises for an error that came with status 200."""
    return ValueError({"name": code, "error_message": words})


def body_of_400(code: str, words: str) -> ValueError:
    """What pycti raises for an error that came with another status: the body as text."""
    return ValueError(json.dumps({"errors": [{"message": words, "extensions": {"code": code}}]}))


@pytest.mark.parametrize("raised", [graphql_error, body_of_400])
@pytest.mark.parametrize("code", ["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "INTERNAL_SERVER_ERROR"])
@pytest.mark.parametrize(
    "words",
    [
        'Variable "$input" got invalid value; Field "slug" is not defined by type "RegisterConnectorInput".',
        'Variable "$input" has invalid value: Expected value of type "RegisterConnectorInput" not to include unknown '
        'field "version", found: { id: "c1" }.',
        'Cannot query field "jwks" on type "Connector".',
        'Unknown type "ConnectorInfoInput".',
        'Unknown argument "connectorInfo" on field "Mutation.pingConnector".',
        'Field "RegisterConnectorInput.slug" of required type "String!" was not provided.',
        'Value "INTERNAL_PLAYBOOK" does not exist in "ConnectorType" enum.',
    ],
)
def test_an_unknown_field_or_type_means_another_version_and_names_the_pycti_to_install(
    raised: Raised, code: str, words: str
) -> None:
    error = start_error(raised(code, words), URL, "7.260817.0")
    assert isinstance(error, PlatformError)
    assert "pip install pycti==7.260817.0" in str(error)
    assert str(error).endswith(f"It says: {words}")


@pytest.mark.parametrize(
    "code", ["BAD_USER_INPUT", "CONFIGURATION_ERROR", "FUNCTIONAL_ERROR", "UNSUPPORTED_ERROR", "VALIDATION_ERROR"]
)
def test_an_error_about_the_request_is_final(code: str) -> None:
    error = start_error(graphql_error(code, "No."), URL, "7.260817.0")
    assert isinstance(error, PlatformError)
    assert str(error) == f"OpenCTI at {URL} rejected the connector ({code}). It says: No."


@pytest.mark.parametrize("raised", [graphql_error, body_of_400])
@pytest.mark.parametrize("code", ["DATABASE_ERROR", "LOCK_ERROR", "UNKNOWN_ERROR", "INTERNAL_SERVER_ERROR"])
def test_an_error_of_a_back_end_is_transient(code: str, raised: Raised) -> None:
    error = start_error(raised(code, "connect ECONNREFUSED"), URL, "7.260817.0")
    assert not isinstance(error, PlatformError)
    assert str(error) == "it says: connect ECONNREFUSED"


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"errors": []}', '{"errors": [1]}', "<html>502</html>", "null"])
def test_a_response_that_is_not_graphql_is_transient(body: str) -> None:
    error = start_error(ValueError(body), URL, "7.260817.0")
    assert not isinstance(error, PlatformError)
    assert str(error) == "the response is not from OpenCTI; check OPENCTI_URL"


def test_the_pauses_between_attempts_grow_to_the_longest() -> None:
    assert list(islice(growing_pauses(1, 30), 7)) == [1, 2, 4, 8, 16, 30, 30]
