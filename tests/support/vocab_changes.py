"""Settings of a vocabulary, and settings to which it can change while it runs."""

import msgspec

from contracts.settings import VocabSettings

BEGINNING = VocabSettings.uniform(capacity=64, rare_slots=8, admit_at=2.0, half_life_windows=20.0)
LATER = msgspec.structs.replace(
    BEGINNING,
    word=msgspec.structs.replace(BEGINNING.word, capacity=320, half_life_windows=40.0),
    hashtag=msgspec.structs.replace(BEGINNING.hashtag, capacity=0),
)
