"""Several processes with one connector id share one listen queue."""

import time
from contextlib import ExitStack

from tests.helpers.preloaded import daemon
from tests.helpers.world import WAIT, new_world, record


def test_three_processes_share_the_messages_and_answer_each_once(broker: str) -> None:
    with new_world(broker) as world, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(daemon(world.environment))
        while sum(call.field == "registerConnector" for call in world.platform.calls) < 3:
            time.sleep(0.02)
        values = [f"shared-{number}.example" for number in range(60)]
        world.service.answers.update({value: [record("A", "ip", "192.0.2.77")] for value in values})
        world.service.latency = 0.1
        works = [world.platform.enrich(world.entity("Domain-Name", value)) for value in values]
        for work in works:
            assert not work.wait(WAIT).in_error
        searched = sorted(search.params["query"] for search in world.service.searches)
        assert searched == sorted(values)
        closed = [call.variables["id"] for call in world.platform.calls if call.below == "toProcessed"]
        assert sorted(closed) == sorted(work.id for work in works)
