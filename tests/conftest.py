"""One real Kafka and one real Redis for the whole test run, started on first use and gone at its end.

`DRIFTLINE_KAFKA` and `DRIFTLINE_REDIS` point the tests at running servers instead. Without either, and without what
it takes to start them, tests that need them are skipped; `REQUIRE_SERVICES=1` makes that a failure.
"""

import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from driftline.servers.local import Server, running, start_kafka, start_redis
from driftline.servers.processes import tail

_HERE = Path(__file__).parent
_SERVER_FIXTURES = {"kafka", "redis_url"}
_logs: dict[str, Path] = {}  # fixture -> the log of the server that this run started for it
_log_starts = pytest.StashKey[dict[str, int]]()  # how long each log was when a test began


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python reads its schemas by a call that importlib.resources has deprecated.
    for function in ("read_text", "open_text"):
        config.addinivalue_line("filterwarnings", f"ignore:{function} is deprecated:DeprecationWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _refuse_servers_outside_of_system(items)
    if "soak" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


def _refuse_servers_outside_of_system(items: list[pytest.Item]) -> None:
    """Fixtures count that a test uses by way of others: `item.fixturenames` holds them too."""
    astray = [
        item.nodeid
        for item in items
        if _HERE in item.path.parents
        and _HERE / "system" not in item.path.parents
        and _SERVER_FIXTURES & set(getattr(item, "fixturenames", ()))
    ]
    if astray:
        raise pytest.UsageError(f"tests that need a server belong in tests/system: {', '.join(astray)}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_log_starts] = {name: log.stat().st_size for name, log in _logs.items()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        used = set(getattr(item, "fixturenames", ())) & set(_logs)
        for name in sorted(used):
            log = tail(_logs[name], start=item.stash[_log_starts].get(name, 0))
            report.sections.append((f"log of the server behind `{name}` during this test", log or "(nothing)"))
    return report


def _serve(name: str, variable: str, start: Callable[..., Server], factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address in `variable`, or of a server started for this run."""
    if variable in os.environ:
        yield os.environ[variable]
        return
    folder = factory.mktemp(name)
    try:
        server = start(folder, print, bound=True, install=False)
    except ServerUnavailable as error:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"REQUIRE_SERVICES=1, and {error}")
        pytest.skip(str(error))
    _logs[name] = server.process.log
    with running(server):
        yield server.address
    del _logs[name]
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real broker without topics of this test."""
    yield from _serve("kafka", "DRIFTLINE_KAFKA", start_kafka, tmp_path_factory)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Redis; keys of other tests are in it, so use the prefix of `settings`."""
    yield from _serve("redis_url", "DRIFTLINE_REDIS", start_redis, tmp_path_factory)


@pytest.fixture
def settings(kafka: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Settings at both servers, with a prefix and a data folder of this test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    prefix = f"{name}-{os.urandom(3).hex()}-"
    return Settings(kafka=kafka, redis=redis_url, prefix=prefix, data_dir=str(tmp_path / "data"), partitions=4)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch computes on one thread: how many there are decides the last bits."""
    import torch  # here, for most tests need none of it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
