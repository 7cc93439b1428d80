"""Without the servers, a test run ends with one line about the tests that were left out."""

import os
import re
import subprocess
import sys

from passivedns.settings.reading import PROJECT_ROOT


def run_tests(*chosen: str) -> list[str]:
    """The output of a test run on a machine without servers."""
    environment = {name: value for name, value in os.environ.items() if not re.match("REDIS|RABBITMQ|PYTEST|COV", name)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=PROJECT_ROOT, env=environment | {"PATH": ""}, check=False
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout.splitlines()


def test_the_last_line_counts_the_tests_left_out_and_names_the_packages() -> None:
    redis = "tests/unit/query/test_cache.py::test_redis_removes_expired_answers"
    broker = "tests/broker/test_workers.py::test_three_processes_share_the_messages_and_answer_each_once"
    assert run_tests(redis, broker)[-1] == (
        "3 tests were left out; to run all, install what they need: apt-get install rabbitmq-server redis-server"
    )


def test_nothing_is_said_if_no_test_was_left_out() -> None:
    assert "left out" not in run_tests("tests/unit/test_text.py")[-1]
