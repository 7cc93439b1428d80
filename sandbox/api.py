"""Serves OpenCTI's GraphQL API to the connector, with a resolver for each root field that pycti uses."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from sandbox.faults import FAULTS
from sandbox.graphql import Answer, Call, Refused, errors, parse, version_of
from sandbox.opencti import OpenCTI
from sandbox.rights import FORBIDDEN, may

_INPUT_SINCE = {
    "id name type scope auto only_contextual playbook_compatible": (0,),
    "listen_callback_uri": (6, 5),
    "auto_update enrichment_resolution": (6, 8, 1),
    "xtm_one_intent": (7, 260619),
    "version slug": (7, 261026),
}
_SELECTED_SINCE = {"s3": (6, 9, 1), "jwks": (7, 260224)}
_GRAPHQL_JS_17_SINCE = (7,)
"""7.260817 uses its error messages; the version that introduced them is unknown."""
_ERRORS = {
    "error": ("UNKNOWN_ERROR", "An unknown error has occurred"),
    "database": (
        "DATABASE_ERROR",
        "Engine execution fail, some shards are not available, please check your engine status",
    ),
    "refused": ("FUNCTIONAL_ERROR", "Business validation"),
}
"""Error code and message by name of the fault."""


def opencti_app(platform: OpenCTI) -> FastAPI:
    """Serve the API at ``/graphql``: always with status 200, except for ``http500``, ``http413`` and large requests."""
    app = FastAPI()

    @app.post("/graphql", response_model=None)
    def graphql(
        request: Request,
        body: dict[str, Any],
        authorization: Annotated[str, Header()] = "",
        user_agent: Annotated[str, Header()] = "",
    ) -> Response:
        call = parse(body, user_agent)
        fault = platform.meet(call)
        if fault == "http413" or int(request.headers.get("content-length", 0)) > platform.largest_request:
            return HTMLResponse("<html><h1>413 Request Entity Too Large</h1></html>", 413)
        if fault == "unheard":
            answer(platform, call, authorization)
        if fault in ("gone", "unheard"):
            return FAULTS["reset"]()
        if fault == "http500":
            return JSONResponse({"message": "Internal Server Error"}, status_code=500)
        if fault in _ERRORS:
            return JSONResponse(errors(*_ERRORS[fault]))
        return JSONResponse(answer(platform, call, authorization))

    return app


def answer(platform: OpenCTI, call: Call, authorization: str) -> Answer:
    """Answer a call with either ``data`` or ``errors``."""
    try:
        if authorization != f"Bearer {platform.token}":
            raise Refused("AUTH_REQUIRED", "You must be logged in to do this.")
        return {"data": {call.field: _resolve(platform, call)}}
    except Refused as refused:
        return errors(refused.code, str(refused))


def _resolve(platform: OpenCTI, call: Call) -> Any:
    if resolver := _RESOLVERS.get(call.field):
        return resolver(platform, call)
    if call.is_read:
        return platform.read(call.field, call.variables["id"])
    kind = "Mutation" if call.query.lstrip().startswith("mutation") else "Query"
    raise Refused("GRAPHQL_VALIDATION_FAILED", f'Cannot query field "{call.field}" on type "{kind}".')


def _about(platform: OpenCTI, _call: Call) -> Answer:
    return {"version": platform.version}


def _register(platform: OpenCTI, call: Call) -> Answer:
    version = version_of(platform.version)
    known = {name for names, since in _INPUT_SINCE.items() if since <= version for name in names.split()}
    unknown = sorted(call.variables["input"].keys() - known)
    if unknown:
        raise Refused("BAD_USER_INPUT", _unknown_field(unknown[0], call.variables["input"], version))
    selected = {name for name in _SELECTED_SINCE if re.search(rf"\b{name}\b", call.query)}
    for name in sorted(selected):
        if version < _SELECTED_SINCE[name]:
            raise Refused("GRAPHQL_VALIDATION_FAILED", f'Cannot query field "{name}" on type "Connector".')
    return platform.link.register(call.variables["input"], call.user_agent, signed="jwks" in selected)


def _unknown_field(name: str, given: Answer, version: tuple[int, ...]) -> str:
    """Return GraphQL's message on a field that the type of the variable ``input`` lacks."""
    type_name = "RegisterConnectorInput"
    if version < _GRAPHQL_JS_17_SINCE:
        return f'Variable "$input" got invalid value; Field "{name}" is not defined by type "{type_name}".'
    found = ", ".join(f"{key}: {json.dumps(value)}" for key, value in given.items())
    return (
        f'Variable "$input" has invalid value: Expected value of type "{type_name}" not to include '
        f'unknown field "{name}", found: {{ {found} }}.'
    )


def _ping(platform: OpenCTI, call: Call) -> Answer:
    platform.link.connector(call.variables["id"])
    platform.link.assert_queues()
    return {"id": call.variables["id"], "connector_state": None, "connector_info": None}


def _work(platform: OpenCTI, call: Call) -> Answer | None:
    """Only users with the right MODULES may query works: ``work(id: ID!): Work @auth(for: [MODULES])``."""
    if not may("MODULES", platform.user["capabilities"]):
        raise Refused("FORBIDDEN_ACCESS", FORBIDDEN)
    return platform.told_work(call.variables["id"])


def _edit_work(platform: OpenCTI, call: Call) -> Answer:
    platform.edit_work(call.below, call.variables)
    return {call.below: call.variables["id"]}


def _push(platform: OpenCTI, call: Call) -> bool:
    platform.link.connector(call.variables["connectorId"])
    platform.push(call.variables["bundle"], call.variables.get("work_id"))
    return True


def _list(platform: OpenCTI, _call: Call) -> list[Answer]:
    return platform.link.listed()


def _delete(platform: OpenCTI, call: Call) -> str:
    platform.link.unregister(call.variables["id"])
    return str(call.variables["id"])


_RESOLVERS: dict[str, Callable[[OpenCTI, Call], Any]] = {
    "about": _about,
    "me": lambda platform, _call: platform.me,
    "markingDefinitions": lambda platform, _call: {"edges": [{"node": node} for node in platform.visible_markings()]},
    "connectorsForWorker": _list,
    "registerConnector": _register,
    "pingConnector": _ping,
    "deleteConnector": _delete,
    "stixNestedRefRelationships": lambda _platform, _call: {"edges": [], "pageInfo": {"hasNextPage": False}},
    "workEdit": _edit_work,
    "work": _work,
    "isWorkAlive": lambda platform, call: call.variables["id"] in platform.works,
    "stixBundlePush": _push,
    "playbookStepExecution": lambda platform, call: platform.resume(
        call.variables["execution_id"], call.variables["bundle"]
    ),
}
