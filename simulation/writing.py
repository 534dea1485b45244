"""The texts of one block's tweets. Words are drawn as arrays and joined at the end."""

from dataclasses import dataclass

import numpy as np

from contracts.arrays import F64, I64
from contracts.records import Provenance, Tweet
from simulation.config import WorldConfig
from simulation.hashtags import Hashtags
from simulation.people import Authors
from simulation.words import draw, make_words, zipf_cumulative

NO_TAG = -1
_ABOUT_TOPIC = 0.45  # share of the words
_CITING, _LINKING = 0.22, 0.12  # shares of the tweets
_SHORTEST, _LONGEST = 5, 18  # words per tweet
_SITES = 40


@dataclass(frozen=True, slots=True)
class Draft:
    """n tweets before their texts. `heat` and `appeal` are float64[n], the rest int64[n]; `tag` is -1 for none."""

    ids: I64
    created: I64
    author: I64
    topic: I64
    tag: I64
    heat: F64
    appeal: F64


class Writer:
    """Writes the texts of drafts. Word frequencies are Zipf: general words, and words of the tweet's topic."""

    def __init__(self, config: WorldConfig, authors: Authors, hashtags: Hashtags, rng: np.random.Generator) -> None:
        self._config, self._authors, self._hashtags = config, authors, hashtags
        words = make_words(rng, config.general_words + config.topics * config.topic_words)
        self._words = np.array(words, dtype=object)
        self._general = zipf_cumulative(config.general_words, 1.05)
        self._special = zipf_cumulative(config.topic_words, 1.0)
        self._sites = make_words(rng, _SITES, (2, 2))

    def write(self, draft: Draft, rng: np.random.Generator) -> list[Tweet]:
        """One `Tweet` for each row, in order."""
        authors = self._authors
        texts = self.texts(draft.topic, draft.tag, rng)
        rows = zip(
            draft.ids.tolist(),
            draft.created.tolist(),
            draft.author.tolist(),
            authors.ids[draft.author].tolist(),
            authors.followers[draft.author].tolist(),
            authors.following[draft.author].tolist(),
            texts,
            strict=True,
        )
        return [
            Tweet(
                id=tweet_id,
                created_ms=created,
                author_id=author_id,
                author=authors.names[author],
                text=text,
                lang="en",
                author_followers=followers,
                author_following=following,
                provenance=Provenance.SIMULATED_WORLD,
            )
            for tweet_id, created, author, author_id, followers, following, text in rows
        ]

    def texts(self, topic: I64, tag: I64, rng: np.random.Generator) -> list[str]:
        """A text for each row: words, the row's hashtag, and in some a mention or a link."""
        count = len(topic)
        lengths = rng.integers(_SHORTEST, _LONGEST + 1, size=count)
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if count else 0
        special = rng.random(total) < _ABOUT_TOPIC
        ranks = np.where(special, draw(rng, self._special, total), draw(rng, self._general, total))
        first = self._config.general_words + np.repeat(topic, lengths) * self._config.topic_words
        words = self._words[np.where(special, first + ranks, ranks)].tolist()
        cited = np.where(rng.random(count) < _CITING, self._authors.cite(topic, rng), -1)
        site = np.where(rng.random(count) < _LINKING, rng.integers(0, _SITES, size=count), -1)
        page = rng.integers(1, 1_000_000, size=count)
        names, sites, trends = self._authors.names, self._sites, self._hashtags.trends
        texts = []
        begin = 0
        for end, about, who, where, what in zip(
            ends.tolist(), tag.tolist(), cited.tolist(), site.tolist(), page.tolist(), strict=True
        ):
            text = " ".join(words[begin:end])
            begin = end
            if who >= 0:
                text = f"@{names[who]} {text}"
            if about >= 0:
                text = f"{text} #{trends[about].tag}"
            if where >= 0:
                text = f"{text} https://{sites[where]}.example/{what}"
            texts.append(text)
        return texts
