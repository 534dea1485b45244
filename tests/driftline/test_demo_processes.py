"""Children of the demo: one that dies is noticed with the end of its log, and none is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from contracts.settings import Settings
from driftline.demo.processes import Child, ChildFailed, Children, commands
from tests.support.processes import gone

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def child(tmp_path: Path, program: str) -> Child:
    return Child("child", [sys.executable, "-c", program], tmp_path / "child.log", bound=True)


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in (log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check_until_it_raises(children: Children) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children.check()
        time.sleep(0.02)


def test_a_child_that_ends_by_itself_has_failed_even_with_status_0(tmp_path: Path) -> None:
    children = Children(Settings(), tmp_path, {"helper": ["--help"]})
    wait_for(children.logs["helper"], "Commands")
    with pytest.raises(ChildFailed, match=r"helper ended with status 0(.|\n)*Usage: "):
        check_until_it_raises(children)
    assert children.stop() == []


def test_the_error_names_the_log_and_shows_its_end(tmp_path: Path) -> None:
    dying = child(tmp_path, "print('x' * 10000); print('the reason'); raise SystemExit(3)")
    assert dying.wait(30) == 3
    message = str(dying.failure("ended with status 3"))
    assert str(tmp_path / "child.log") in message
    assert message.rstrip().endswith("the reason")


def test_a_child_that_does_not_drain_is_killed(tmp_path: Path) -> None:
    stubborn = child(tmp_path, STUBBORN)
    wait_for(stubborn.log, "up")
    stubborn.ask_to_stop()
    assert stubborn.wait(0.1) == -signal.SIGKILL
    stubborn.ask_to_stop()  # of one that has ended: nothing


def test_no_child_outlives_a_demo_that_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from driftline.demo.processes import Child
        log = Path({str(tmp_path / "child.log")!r})
        child = Child("child", [sys.executable, "-c", {STUBBORN!r}], log, bound=True)
        print(child.pid, flush=True)
        child.wait(600)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        pid = int(demo.stdout.readline())
        wait_for(tmp_path / "child.log", "up")
        os.kill(demo.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_demo_runs_a_worker_or_two_a_trainer_and_a_scorer() -> None:
    assert commands(2) == {
        "worker-1": ["worker"],
        "worker-2": ["worker"],
        "trainer": ["trainer"],
        "scorer": ["scorer"],
    }
