"""`driftline run`: one terminal, one end for all."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.inspect.status import status
from driftline.operations.run_together import ProcessEnded, commands, run_together
from driftline.servers.processes import free_port
from tests.support.transport_hops import eventually
from transport.installation import install, installed
from transport.kafka.cluster import KafkaCluster


class Together:
    """A `driftline run` and what it has printed."""

    def __init__(self, settings: Settings, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "driftline", "run", *arguments],
            env=os.environ | to_environ(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def wait(self) -> int:
        result = self.process.wait(120)
        self._reading.join(10)
        return result

    @property
    def output(self) -> str:
        return "".join(self.lines)


@pytest.fixture
def together(settings: Settings) -> Iterator[Together]:
    install(settings)
    started = Together(msgspec.structs.replace(settings, partitions=0, metrics_port=free_port()), "--workers", "2")
    yield started
    started.process.kill()
    started.process.wait()
    assert started.process.stdout is not None
    started.process.stdout.close()


async def test_all_work_and_ctrl_c_stops_them_in_order(settings: Settings, together: Together) -> None:
    agreed = await installed(settings, KafkaCluster(settings))

    async def working() -> bool:
        assert together.process.poll() is None, together.output
        found = await asyncio.to_thread(status, agreed, int(time.time() * 1000))
        spoke = all(f"{name:<8} | " in together.output for name in ("worker-1", "worker-2", "trainer", "scorer"))
        running = all(hop.running == (1 if hop.hop == "scorer" else 2) for hop in found.hops)
        return found.trainer is True and running and spoke

    await eventually(working, "two workers, a trainer and a scorer run", every_s=0.5)
    os.kill(together.process.pid, signal.SIGINT)
    assert await asyncio.to_thread(together.wait) == 0, together.output
    for name in ("worker-1", "worker-2", "trainer", "scorer"):
        assert f"{name:<8} | " in together.output
    assert "stopping: each process finishes what it has begun" in together.output
    assert "Traceback" not in together.output
    assert (await asyncio.to_thread(status, agreed, 0)).trainer is False


async def test_the_end_of_one_is_the_end_of_all(settings: Settings) -> None:
    lines: list[str] = []
    named = {
        "good": ["worker"],
        "bad": ["timelines", "show"],
    }  # the first waits for topics, the second lacks an argument
    with pytest.raises(ProcessEnded, match=r"bad \(status 2\)"):
        await asyncio.wait_for(run_together(settings, named, lines.append, os.environ | to_environ(settings)), 60)
    assert any(line.startswith("bad  | ") for line in lines)


def test_processes_are_named_and_numbered() -> None:
    assert commands(1, 2, "info") == {
        "worker": ["worker", "--log-level", "info"],
        "trainer": ["trainer", "--log-level", "info"],
        "scorer-1": ["scorer", "--log-level", "info"],
        "scorer-2": ["scorer", "--log-level", "info"],
    }
