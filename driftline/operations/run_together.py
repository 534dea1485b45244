"""Runs several `driftline` processes in the foreground: their logs joined and labelled, and one end for all.

When one ends by itself, or a signal comes, all others are asked to drain (SIGTERM). A second signal kills them. They
die with this process, however it ends.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import DriftlineError
from contracts.settings import Settings
from contracts.settings_sources import variable_of
from driftline.servers.processes import dies_with_parent

STOP_S = 40.0  # for the trainer to publish, and for workers to commit their batches
_LONGEST_LINE = 1 << 20  # bytes


class ProcessEnded(DriftlineError):
    """A process ended by itself, or with an error; all others were stopped."""


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    process: asyncio.subprocess.Process
    reading: asyncio.Task[None]
    ending: asyncio.Task[int]


def commands(workers: int, scorers: int, log_level: str) -> dict[str, list[str]]:
    """Name of each process -> its arguments."""
    several = {"worker": workers, "trainer": 1, "scorer": scorers}
    return {
        kind if count == 1 else f"{kind}-{number}": [kind, "--log-level", log_level]
        for kind, count in several.items()
        for number in range(1, count + 1)
    }


async def run_together(
    settings: Settings,
    named: Mapping[str, Sequence[str]],
    say: Callable[[str], None],
    environ: Mapping[str, str],
) -> None:
    """Run until SIGINT or SIGTERM. named: as `commands` gives them. say: takes a line of a log, or of this program.

    environ: of all processes. With a `metrics_port`, each has a port of its own, from that one on. Raises
    `ProcessEnded`.
    """
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signals.put_nowait, number)
    width = max(map(len, named))
    running: list[_Running] = []
    try:
        for place, (name, arguments) in enumerate(named.items()):
            own = dict(environ)
            if settings.metrics_port:
                own[variable_of("metrics_port")] = str(settings.metrics_port + place)
            running.append(await _start(name, arguments, own, _labelled(f"{name:<{width}} | ", say)))
        asked = asyncio.create_task(signals.get())
        await asyncio.wait({asked, *(each.ending for each in running)}, return_when=asyncio.FIRST_COMPLETED)
        ended = [each for each in running if each.ending.done()]
        asked.cancel()
        say("stopping: each process finishes what it has begun; once more Ctrl-C kills them")
        failed = [*ended, *await _stop(running, signals)]
    finally:
        for each in running:
            if each.process.returncode is None:
                each.process.kill()
        await asyncio.gather(*(each.reading for each in running))
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if failed:
        what = ", ".join(f"{each.name} (status {each.process.returncode})" for each in dict.fromkeys(failed))
        raise ProcessEnded(f"ended by itself or with an error: {what}; its last lines are above")


def _labelled(label: str, say: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: say(label + line)


async def _start(
    name: str, arguments: Sequence[str], environ: Mapping[str, str], say: Callable[[str], None]
) -> _Running:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "driftline",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on in order
        preexec_fn=dies_with_parent(),
        limit=_LONGEST_LINE,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(_read(process.stdout, say))
    return _Running(name, process, reading, asyncio.create_task(process.wait()))


async def _read(output: asyncio.StreamReader, say: Callable[[str], None]) -> None:
    while line := await output.readline():
        say(line.decode(errors="replace").rstrip("\n"))


async def _stop(running: Sequence[_Running], signals: "asyncio.Queue[int]") -> list[_Running]:
    """Ask all to drain and end; kill them at a second signal or after `STOP_S`. Returns those that failed."""
    for each in running:
        if each.process.returncode is None:
            each.process.terminate()
    again = asyncio.create_task(signals.get())
    ended = asyncio.create_task(_all(running))
    await asyncio.wait({again, ended}, timeout=STOP_S, return_when=asyncio.FIRST_COMPLETED)
    again.cancel()
    for each in running:
        if each.process.returncode is None:
            each.process.kill()
    await ended
    return [each for each in running if each.process.returncode]


async def _all(running: Sequence[_Running]) -> None:
    await asyncio.gather(*(each.ending for each in running))
