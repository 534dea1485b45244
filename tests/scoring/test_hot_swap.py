"""Which model is in use: the newest that loads, whatever was announced in between."""

from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest

from contracts.codec import serialize
from contracts.errors import SnapshotInvalid
from contracts.settings import Settings, VocabSettings
from scoring.hot_swap import ModelFollower, load_warm
from tests.support.scoring_samples import save_snapshot
from transport.metrics import MODELS_REFUSED

SMALL = VocabSettings.uniform(capacity=128, rare_slots=64)


@pytest.fixture
def local(tmp_path):
    """Settings with a data folder and no servers."""
    return Settings(vocab=SMALL, data_dir=str(tmp_path))


def version_of(follower):
    return None if follower.current is None else follower.current.manifest.version


async def announce(follower, *published):
    for announcement in published:
        follower.observe(serialize(announcement))
    await follower.take_newest()


def damage(published):
    """Flip one byte of the weights."""
    file = Path(published.path) / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


async def test_there_is_no_model_before_one_is_announced(local):
    follower = ModelFollower(local)
    await follower.take_newest()
    assert follower.current is None


async def test_the_newest_announced_model_is_put_to_use(local):
    follower = ModelFollower(local)
    await announce(follower, save_snapshot(local, 1), save_snapshot(local, 2))
    assert version_of(follower) == 2
    await announce(follower, save_snapshot(local, 3))
    assert version_of(follower) == 3


async def test_a_later_epoch_wins_whatever_its_version_and_an_older_one_never_comes_back(local):
    follower = ModelFollower(local)
    await announce(follower, save_snapshot(local, 9, epoch=1), save_snapshot(local, 2, epoch=2))
    assert version_of(follower) == 2
    await announce(follower, save_snapshot(local, 10, epoch=1))
    assert version_of(follower) == 2


async def test_only_the_newest_of_many_announcements_is_loaded(local):
    loads = []
    follower = ModelFollower(local, lambda published: loads.append(published.version) or load_warm(published))
    await announce(follower, *(save_snapshot(local, version) for version in range(1, 5)))
    assert loads == [4]


async def test_a_damaged_snapshot_keeps_the_old_one_and_is_counted(local, caplog):
    follower = ModelFollower(local)
    await announce(follower, save_snapshot(local, 1))
    before, refused = follower.current, MODELS_REFUSED._value.get()
    second = save_snapshot(local, 2)
    damage(second)
    await announce(follower, second)
    assert follower.current is before
    assert MODELS_REFUSED._value.get() == refused + 1
    assert "weights.safetensors" in caplog.text


async def test_at_a_start_with_the_newest_damaged_the_one_before_it_is_used(local):
    first, second = save_snapshot(local, 1), save_snapshot(local, 2)
    damage(second)
    follower = ModelFollower(local)
    await announce(follower, first, second)
    assert version_of(follower) == 1


async def test_a_snapshot_that_appears_late_is_used_when_tried_again(local):
    published = save_snapshot(local, 1)
    path = Path(published.path)
    path.rename(path.with_name("elsewhere"))
    follower = ModelFollower(local)
    await announce(follower, published)
    assert follower.current is None
    path.with_name("elsewhere").rename(path)
    await follower.take_newest()
    assert version_of(follower) == 1


@pytest.mark.parametrize("path", ["", "\0", "/dev/null", "/" + "x" * 5_000, "nowhere", "/"])
async def test_an_announcement_of_what_cannot_be_opened_changes_nothing(local, path):
    follower = ModelFollower(local)
    await announce(follower, save_snapshot(local, 1))
    hostile = msgspec.structs.replace(save_snapshot(local, 2), path=path)
    await announce(follower, hostile)
    assert version_of(follower) == 1


async def test_whatever_loading_raises_the_follower_goes_on(local, caplog):
    def load(published):
        if published.version == 2:
            raise RecursionError("a hostile file")
        return load_warm(published)

    follower, refused = ModelFollower(local, load), MODELS_REFUSED._value.get()
    await announce(follower, save_snapshot(local, 1), save_snapshot(local, 2))
    assert version_of(follower) == 1
    assert MODELS_REFUSED._value.get() == refused + 1
    assert "a hostile file" in caplog.text


@pytest.mark.parametrize(
    "change", [{"version": -1}, {"version": 1 << 63}, {"epoch": 0}, {"vocab_version": -1}, {"bins_version": 1 << 60}]
)
async def test_an_announcement_with_impossible_numbers_is_passed_over(local, change, caplog):
    follower = ModelFollower(local)
    await announce(follower, save_snapshot(local, 1), msgspec.structs.replace(save_snapshot(local, 2), **change))
    assert version_of(follower) == 1
    assert "an announcement was passed over" in caplog.text


def test_a_folder_that_holds_another_version_than_announced_is_refused(local):
    published = msgspec.structs.replace(save_snapshot(local, 1), version=2)
    with pytest.raises(SnapshotInvalid, match="announced as timeline 2 of epoch 1, but it is timeline 1 of epoch 1"):
        load_warm(published)


async def test_announcements_of_other_models_and_of_a_newer_layout_are_passed_over(local, caplog):
    follower = ModelFollower(local)
    published = save_snapshot(local, 1)
    await announce(
        follower,
        msgspec.structs.replace(published, name="another", version=5),
        msgspec.structs.replace(published, v=3, version=6),
    )
    assert follower.current is None
    assert "ModelPublished version 3 is newer" in caplog.text
    await announce(follower, published)
    assert version_of(follower) == 1


class Inline:
    """An executor that works inside `submit`, as a simulator's would."""

    def __init__(self):
        self.submitted = 0
        self.ended = False

    def submit(self, work, /, *args, **kwargs):
        self.submitted += 1
        future = Future()
        try:
            future.set_result(work(*args, **kwargs))
        except SnapshotInvalid as error:
            future.set_exception(error)
        return future

    def shutdown(self):
        self.ended = True


async def test_snapshots_load_on_the_executor_that_is_passed_in_and_it_is_ended(local):
    started = []

    def start(threads, name):
        started.append(Inline())
        return started[-1]

    follower = ModelFollower(local, start_threads=start)
    damaged = save_snapshot(local, 2)
    damage(damaged)
    await announce(follower, save_snapshot(local, 1), damaged)
    assert version_of(follower) == 1
    assert [(executor.submitted, executor.ended) for executor in started] == [(1, True), (1, True)]
