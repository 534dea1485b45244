"""What the reset of all versions to 1 changed on the wire, and nothing else: names, and the versions themselves.

`before_reset/` holds the golden bytes of the records that it changed, as they were written before it.
"""

from typing import Any

# Record -> its version before the reset. Those that are not named had version 1 already.
FORMER_VERSIONS = {
    "BinCounts": 2,
    "BinsVersion": 2,
    "CandidatesServed": 2,
    "Examples": 3,
    "ModelPublished": 2,
    "VocabConfigured": 2,
    "VocabCounts": 2,
    "VocabDelta": 3,
}

# Former name of a field -> its name now, wherever it stands in a record. In `examples` it begins a column's name.
RENAMED = {
    "viewer_values": "viewer_weights",
    "candidate_values": "candidate_weights",
    "encode_us": "answer_us",
}

# Former name of an array of a snapshot, or of a field of its configuration -> its name now.
RENAMED_IN_SNAPSHOTS = {"taste": "cross_weights", "place_bias": "position_bias", "places": "positions"}


def renamed(value: Any) -> Any:
    """A decoded record with today's names and with version 1; one record may hold another."""
    if isinstance(value, dict):
        return {RENAMED.get(name, name): 1 if name == "v" else renamed(held) for name, held in value.items()}
    if isinstance(value, list):
        return [renamed(held) for held in value]
    return value
