"""Classifies the outcome of each published message by its work or playbook."""

from sandbox.works import Execution, Work

Request = Work | Execution

DONE, ERROR, TWICE, UNPUBLISHED = "answered", "answered with an error", "answered twice", "not published"
LOST, WRONG = "LOST", "WRONG"
OUTCOMES = (DONE, ERROR, TWICE, UNPUBLISHED, LOST, WRONG)
FAILURES = (LOST, WRONG)

BUNDLE = 8
"""Objects per bundle: two observables, two relationships, the entity, the author and two markings."""


def is_done(request: Request) -> bool:
    """Return whether the connector has answered and its objects have arrived."""
    return request.closed.is_set() if isinstance(request, Work) else bool(request.bundles)


def outcome(request: Request) -> tuple[str, str]:
    """Return one of `OUTCOMES`, with the reason of a failure."""
    if not is_done(request):
        return (UNPUBLISHED, "") if request.undelivered else (LOST, _progress(request))
    return _outcome_of_work(request) if isinstance(request, Work) else _outcome_of_playbook(request)


def _progress(request: Request) -> str:
    if isinstance(request, Work):
        imported = f"{request.imported} of {request.expectations} imported"
        return f"received {len(request.received)} times, {imported}: {request.message}"
    return "no bundle received"


def _outcome_of_work(work: Work) -> tuple[str, str]:
    if len(work.closings) != 1:
        return WRONG, f"closed {len(work.closings)} times: {work.closings}"
    if work.in_error:
        return ERROR, ""
    message = work.message or ""
    expected = BUNDLE if message.startswith("Added") else 0
    # After a restart of the broker, the worker may receive some objects twice.
    if work.entity.value not in message or work.expectations != expected or work.imported < expected or work.errors:
        return WRONG, f"{message!r}, {work.imported} of {work.expectations} imported, {work.errors}"
    return DONE, ""


def _outcome_of_playbook(execution: Execution) -> tuple[str, str]:
    ids = [sorted(item["id"] for item in bundle["objects"]) for bundle in execution.bundles]
    if len(ids) > 2 or ids[0] != ids[-1]:
        return WRONG, f"answered with {len(ids)} bundles of {[len(each) for each in ids]} objects"
    objects, entity = execution.bundles[0]["objects"], execution.entity
    ends = [(item["source_ref"], item["target_ref"]) for item in objects if item["type"] == "relationship"]
    if entity.as_stix() not in objects or not all(entity.standard_id in pair for pair in ends):
        return WRONG, "answered with the bundle of another message"
    if execution.errors:
        return WRONG, "; ".join(execution.errors)
    return (TWICE if len(ids) == 2 else DONE), ""
