"""`faust -A streams.app worker`: the same worker, by Faust's own command."""

import asyncio
import collections
import random

from tests.support.pipeline_runs import child, counted_tokens, make_tweets, write_run
from transport.installation import install
from vocab.tokens.tokenizer import Tokenizer


def test_fausts_own_command_starts_processes_and_drains(settings, tmp_path):
    install(settings)
    tweets = make_tweets(500, random.Random(1))
    asyncio.run(write_run(settings, tweets, []))
    with child(
        settings, tmp_path / "faust.log", "faust", "-A", "streams.app", "worker", "--loglevel", "info"
    ) as faust:
        faust.drain(settings)
        faust.terminate()
    counted = collections.Counter()
    for (_, key), count in counted_tokens(settings).items():
        counted[key] += count
    assert counted == collections.Counter(Tokenizer().tokenize(tweets).keys.tolist())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "faust.log"]  # and leaves nothing behind
