"""Builds the messages that the platform sends to an enrichment connector."""

import json
import uuid
from typing import Any

from sandbox.works import Execution, Work

_AUTOMATION_USER = "f9d7b43f-b208-4c56-8637-375a1ce84943"


def enrichment_message(work: Work, auto: bool) -> dict[str, Any]:
    """Return the message of an enrichment, requested by an analyst or, with ``auto``, by OpenCTI itself.

    As on OpenCTI, ``stix_objects`` is null: the connector reads the entity from the API.
    """
    modes = {"trigger": "create", "mode": "auto"} if auto else {"trigger": "update", "mode": "manual"}
    entity = work.entity
    event = {
        "event_type": "INTERNAL_ENRICHMENT",
        "entity_id": entity.standard_id,
        "entity_type": entity.entity_type,
        "stix_entity": json.dumps(entity.as_stix()),
        "stix_objects": None,
    }
    return {"internal": {"work_id": work.id, "applicant_id": None, "draft_id": None, **modes}, "event": event}


def playbook_message(execution: Execution, objects: list[dict[str, Any]], entity_id: str) -> dict[str, Any]:
    """Return the message of a playbook step: no work, no event type, the bundle as an object."""
    step = {
        "event_id": "1724145302114-0",
        "execution_id": execution.id,
        "playbook_id": str(uuid.uuid4()),
        "data_instance_id": entity_id,
        "step_id": str(uuid.uuid4()),
        "previous_step_id": str(uuid.uuid4()),
    }
    modes = {"applicant_id": _AUTOMATION_USER, "trigger": "update", "mode": "auto"}
    bundle = {"id": f"bundle--{uuid.uuid4()}", "type": "bundle", "spec_version": "2.1", "objects": objects}
    event = {"entity_id": entity_id, "entity_type": execution.entity.entity_type, "bundle": bundle}
    return {"internal": {"work_id": None, "playbook": step, **modes}, "event": event}


def as_before_6_8(message: dict[str, Any]) -> dict[str, Any]:
    """Return the message as before OpenCTI 6.8: without its cause and the entity."""
    internal = {key: value for key, value in message["internal"].items() if key not in ("mode", "trigger")}
    event = {key: value for key, value in message["event"].items() if key not in ("stix_entity", "stix_objects")}
    return {"internal": internal, "event": event}
