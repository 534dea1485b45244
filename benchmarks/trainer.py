"""Speed of the trainer on one core, by stage (decode, encode, learn, publish), and time per served candidate.

    python -m benchmarks.trainer [--examples 60000] [--profile]

The world is that of the trainer's tests, with about 45 keys per example and the model's default sizes (131,072 slots
of 16 values). One process, one thread, no Kafka.
"""

import argparse
import cProfile
import importlib
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from unittest import mock

import msgspec
import numpy as np
import torch

from contracts.columns import FeatureColumns
from contracts.examples import Examples, serialize_examples
from contracts.settings import Settings, TimeSettings, VocabSettings
from featurestore.encoding.encode import encode
from model.serving import Predictor
from model.snapshot import Snapshot
from tests.support.trainer_world import PLACES, WINDOWS, World, versions_of
from trainer.check_examples import read_examples
from trainer.trainer import Consumed, Trainer

ResultT = TypeVar("ResultT")
WORDS = 131_072  # slots of words: enough for all keys of the world, whose log admits them as words
RECORD_REQUESTS = 50  # requests per record, each with PLACES examples


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=60_000)
    parser.add_argument("--profile", action="store_true", help="print where learning spends its time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    world = World(viewers=5_000, authors=20_000, words=80_000, words_per_tweet=40)
    with tempfile.TemporaryDirectory() as folder:
        vocab = VocabSettings()
        vocab = msgspec.structs.replace(vocab, word=msgspec.structs.replace(vocab.word, capacity=WORDS))
        settings = Settings(data_dir=folder, time=TimeSettings(window_ms=60_000), vocab=vocab)
        trainer = Trainer(settings)
        trainer.versions = versions_of(world, settings, trainer.learner)
        count = arguments.examples // (RECORD_REQUESTS * PLACES)
        records = [serialize_examples(world.examples(RECORD_REQUESTS, WINDOWS[-1] * 60_000)[0]) for _ in range(count)]
        _learn_all(trainer, [read_examples(records[0])] * 2)  # compiles the kernels
        decoded = _timed("decode", arguments.examples, lambda: [read_examples(record) for record in records])
        _timed("encode", arguments.examples, lambda: [_encode(trainer, examples) for examples in decoded])
        profile = cProfile.Profile()
        if arguments.profile:
            profile.enable()
        _timed("learn (with encode)", arguments.examples, lambda: _learn_all(trainer, decoded))
        profile.disable()
        _publish("import scikit-learn", lambda: importlib.import_module("sklearn.isotonic"))
        published = _publish("publish, the first", lambda: trainer.publish(now_ms=0))
        for _ in range(3):
            _learn_all(trainer, decoded[:40])
            _publish("publish, a later one", lambda: trainer.publish(now_ms=0))
        size = sum(file.stat().st_size for file in Path(published.path).iterdir()) / 1e6
        print(f"{'':24}{size:12.0f} MB a snapshot; {msgspec.json.encode(published.evaluation).decode()}")
        _serve(published.path, decoded[0].features)
        if arguments.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(15)


def _learn_all(trainer: Trainer, parts: list[Examples]) -> None:
    for offset, part in enumerate(parts):
        trainer.observe(Consumed(0, offset, part))
        if trainer.full and not trainer.learn():
            raise RuntimeError("the version was not reached")


def _encode(trainer: Trainer, examples: Examples) -> int:
    return len(encode(examples.features, trainer.learner.vocabulary, trainer.learner.bins))


def _encoded(features: FeatureColumns, snapshot: Snapshot) -> int:
    return len(encode(features, snapshot.vocabulary, snapshot.bins))


def _serve(path: str, features: FeatureColumns) -> None:
    begin = time.perf_counter()
    predictor = Predictor(Snapshot.load(Path(path)))
    print(f"{'load a snapshot':24}{(time.perf_counter() - begin) * 1e3:12.0f} ms")
    predictor.score(features)
    n, rounds = len(features), 40
    snapshot = Snapshot.load(Path(path))
    inputs = encode(features, snapshot.vocabulary, snapshot.bins)
    _timed("encode, this batch", n * rounds, lambda: [_encoded(features, snapshot) for _ in range(rounds)])
    with mock.patch("model.serving.encode", return_value=inputs):
        _timed("score, without encode", n * rounds, lambda: [predictor.score(features) for _ in range(rounds)])
    _timed("score (with encode)", n * rounds, lambda: [predictor.score(features) for _ in range(rounds)])
    rows = np.arange(10)
    _timed("explain", 10 * rounds, lambda: [predictor.explain(features, rows) for _ in range(rounds)])


def _publish(what: str, work: Callable[[], ResultT]) -> ResultT:
    begin, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, used = time.perf_counter() - begin, time.process_time() - cpu
    print(f"{what:24}{wall * 1e3:12.0f} ms, {used * 1e3:.0f} ms of CPU")
    return result


def _timed(what: str, count: int, work: Callable[[], ResultT]) -> ResultT:
    begin = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begin
    print(f"{what:24}{count / seconds:12,.0f} /s {seconds / count * 1e6:8.2f} us each")
    return result


if __name__ == "__main__":
    main()
