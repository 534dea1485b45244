"""The names of all metrics, in one place: the Prometheus counters and gauges of every room.

A process that sets `metrics_port` exposes them. Without it, each update costs one addition. Times are in seconds.
"""

from prometheus_client import Counter, Gauge

HOP_RECORDS = Counter("driftline_hop_records", "Records that a hop processed, counted at commit", ["hop"])
HOP_REPLAYED = Counter("driftline_hop_replayed", "Records read again to rebuild a hop's state", ["hop"])
HOP_OUTPUTS = Counter("driftline_hop_outputs", "Records that a hop produced, counted at commit", ["hop"])
HOP_COMMITS = Counter("driftline_hop_commits", "Transactions that a hop committed", ["hop"])
HOP_ABORTS = Counter(
    "driftline_hop_aborts", "Times that a hop threw a batch away and resumed from its commit", ["hop"]
)
HOP_STOPPED = Gauge(
    "driftline_hop_stopped",
    "1 while a partition cannot be read on from what was committed: see `driftline offsets show`",
    ["hop", "partition"],
)
HOP_FENCED = Counter("driftline_hop_fenced", "Times that a hop lost a partition to a younger owner", ["hop"])
HOP_PROCESS_SECONDS = Counter("driftline_hop_process_seconds", "Time spent in process(), awaits included", ["hop"])
HOP_COMMIT_SECONDS = Counter("driftline_hop_commit_seconds", "Time from begin to committed", ["hop"])

OWNER_WAITING = Gauge(
    "driftline_owner_waiting_windows", "Counted windows that wait for a source to close them", ["topic", "partition"]
)
FEATURE_SNAPSHOT = Gauge(
    "driftline_feature_snapshot_timestamp_seconds",
    "Append time of the last update before the newest snapshot of counters",
    ["partition"],
)

WRITER_RECORDS = Counter("driftline_writer_records", "Records handed to Kafka outside of transactions", ["topic"])

DEAD_LETTERS = Counter("driftline_dead_letters", "Dead letters seen, whoever wrote them", ["topic", "reason"])
DUPLICATES = Counter("driftline_duplicates", "Repeated events that were recognized and skipped", ["topic"])
LATE_EVENTS = Counter("driftline_late_events", "Events that counted in a later window than their own", ["topic"])
EVENT_LAG = Gauge(
    "driftline_event_lag_seconds",
    "How long after its own time the broker appended an event: the median of the newest batch",
    ["topic", "partition"],
)
LIVE_TICKS = Counter("driftline_live_ticks", "Ticks written to idle partitions")
NAN_VALUES = Counter(
    "driftline_nan_values", "Served values of a feature that are NaN and not missing: a fault upstream", ["feature"]
)

MODEL_SWAPS = Counter("driftline_model_swaps", "Snapshots that a scorer has put to use")
MODELS_REFUSED = Counter("driftline_models_refused", "Attempts at a snapshot that did not load")

# Drift, labelled by the owner's partition: measured over its shards at the newest window that it decided.
VOCAB_VERSION = Gauge("driftline_vocab_version", "The newest window decided", ["partition"])
VOCAB_ADMITTED = Gauge("driftline_vocab_admitted", "Tokens with a slot", ["partition"])
VOCAB_TURNOVER = Gauge(
    "driftline_vocab_turnover", "Admissions and evictions an hour of event time, per token with a slot", ["partition"]
)
VOCAB_OUTSIDE = Gauge(
    "driftline_vocab_outside", "Share of the newest window's occurrences without a slot", ["partition", "namespace"]
)
VOCAB_DISTANCE = Gauge(
    "driftline_vocab_distance",
    "Jensen-Shannon distance, base 2, of the two newest windows' or hours' distributions of tokens",
    ["partition", "between"],
)
