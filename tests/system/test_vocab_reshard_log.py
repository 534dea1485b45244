"""`driftline vocab reshard` on a real log: counts go on exactly, a killed run leaves nothing, nobody mixes both."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import msgspec
import pytest
from msgspec.structs import replace

from contracts.codec import Codec
from contracts.columnar import VocabDelta
from contracts.errors import DriftlineError, SettingsError
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import VOCAB_DELTAS
from driftline.inspect import vocab_log
from driftline.inspect.logs import read_records
from driftline.operations import reshard_vocab as vocab_reshard
from streams.vocabulary_processor import VocabularyProcessor
from tests.support.drifting_stream import drifting, drifting_rows
from tests.support.installation import PARTITIONS
from tests.support.paths import ROOT
from tests.support.pipeline_runs import run_worker, worker
from tests.support.vocab_replay import replay
from tests.support.vocab_runs import write_rows
from transport.installation import install
from transport.kafka.cluster import KafkaCluster
from transport.redis.connection import connect, connect_blocking
from vocab.owner.packed_state import unpack
from vocab.owner.state import OwnerState
from vocab.replica.vocabulary import Vocabulary

TWEETS = 1_000
SHARDS = 128

# Dies where so many records of the transaction are at the broker.
KILLED = """
import os, signal, sys
from contracts.settings_sources import load
from driftline.operations import reshard_vocab as vocab_reshard
from transport.kafka.transactional_producer import AiokafkaTransactionalProducer

left, send = int(sys.argv[1]), AiokafkaTransactionalProducer._send

async def send_or_die(self, output):
    global left
    if not left:
        await self._client.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return await send(self, output)

AiokafkaTransactionalProducer._send = send_or_die
vocab_reshard.reshard(load(), "wide", 128, write=True)
"""

Counted = dict[int, tuple[int, ...]]


def counted(states: Sequence[OwnerState]) -> Counted:
    """Key -> namespace, decayed count, first and last seen."""
    columns = ("keys", "namespaces", "counts", "first_seen", "last_seen")
    return {
        row[0]: row[1:]
        for state in states
        for row in zip(*(state.tracked.column(name).tolist() for name in columns), strict=True)
    }


def states_of(settings: Settings) -> list[OwnerState]:
    """As they would be taken up now."""

    async def caught_up() -> list[OwnerState]:
        redis = connect(settings)
        try:
            numbers = range(PARTITIONS)
            return [
                await VocabularyProcessor(settings, KafkaCluster(settings), number, redis).catch_up()
                for number in numbers
            ]
        finally:
            await redis.aclose()

    return asyncio.run(caught_up())


def python(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, **to_environ(settings), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, text=True, check=False)


@pytest.mark.timeout(900)  # some dozen processes one after another
def test_counts_go_on_in_another_number_of_shards(settings, tmp_path):
    settings = drifting(settings, 5_000)
    # Room for every key that is ever seen: what is counted then does not depend on how keys share shards.
    settings = replace(settings, vocab=replace(settings.vocab, candidates_per_slot=1_000.0))
    kinds = {name: replace(kind, capacity=4 * SHARDS) for name, kind in settings.vocab.kinds.items()}
    settings = replace(settings, vocab=replace(settings.vocab, **kinds))
    wide = replace(settings, vocab=replace(settings.vocab, name="wide", shards=SHARDS))
    rows = drifting_rows(TWEETS, seed=3)
    half = len(rows) // 2
    install(settings)
    write_rows(settings, rows[:half])
    with worker(settings, tmp_path / "first.log") as running:
        running.drain(settings)
        with pytest.raises(vocab_reshard.NotAtRest, match="stop every `driftline worker`"):
            vocab_reshard.reshard(settings, "wide", SHARDS, write=False)
        running.terminate()

    with pytest.raises(SettingsError, match="a vocabulary named 'default' already exists"):
        vocab_reshard.reshard(settings, "default", SHARDS, write=True)
    plan = vocab_reshard.reshard(settings, "wide", SHARDS, write=False)
    before = states_of(settings)
    assert (plan.counted, plan.version) == (len(counted(before)), before[0].version)
    for sent in (2, 60):
        died = python(settings, "-c", KILLED, str(sent))
        assert died.returncode == -9, died.stderr
        assert counted(states_of(settings)) == counted(before)
    command = ("-m", "driftline", "vocab", "reshard", "--shards", str(SHARDS), "--name", "wide", "--yes", "--json")
    made = python(settings, *command)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == msgspec.to_builtins(plan)
    again = python(settings, *command)
    assert again.returncode != 0
    assert "a vocabulary named 'wide' already exists" in " ".join(again.stderr.split())
    assert counted(states_of(wide)) == counted(before)
    with pytest.raises(DriftlineError, match=r"of 'wide', of 128 shards.*set vocab.name and vocab.shards to those"):
        states_of(settings)

    write_rows(wide, rows[half:])
    with worker(settings, tmp_path / "former.log") as refused:
        assert refused.process.wait(120) != 0
        assert "virtual shards" in refused.said() or "of 'wide'" in refused.said()
    run_worker(wide, tmp_path / "second.log")

    after = states_of(wide)
    _, states = replay(settings, rows, owners=1)
    alone = unpack(states[0], settings.vocab, settings.time.window_ms)
    assert counted(after) == counted([alone])
    assert after[0].version == alone.version > plan.version

    replica = Vocabulary(wide.vocab)
    for _, delta in read_records(wide, VOCAB_DELTAS, Codec(VocabDelta)):
        if delta.vocabulary == "wide":
            replica.apply(delta)
    view = replica.at(replica.complete_through)
    assert view.version == alone.version
    held = {
        key: slot
        for state in after
        for key, slot in zip(state.tracked.keys.tolist(), state.tracked.slots.tolist(), strict=True)
        if slot >= 0
    }
    assert dict(zip(view.keys.tolist(), view.slots.tolist(), strict=True)) == held
    assert vocab_log.growth(wide).admitted == len(held)
    assert len(vocab_log.rebuild(settings, plan.version)) == plan.admitted
    with connect_blocking(wide) as redis:
        assert redis.exists(f"{wide.prefix}vocab:wide:bucket:0")
