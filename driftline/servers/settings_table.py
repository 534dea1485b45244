"""The settings of the broker and of Redis. Local servers use this table; `compose.yaml` repeats it.

`tests/driftline/test_compose.py` compares the two. Settings that differ (ports, folders, listeners) are not here.
"""

from contracts.topics import ALL

KAFKA_VERSION = "4.2.0"  # of the jars and the image
LOG4J_VERSION = "2.24.3"
KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
KAFKA_HEAP = "-Xms256m -Xmx768m"
REDIS_IMAGE = "redis:7.0.15-bookworm"  # what Debian 12 packages

# Written into the broker's storage; a constant, so that a folder formatted once fits every later start.
CLUSTER_ID = "RHJpZnRsaW5lLWxvY2FsMQ"

KAFKA: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # HOST is the listener of compose.yaml's broker for programs outside the containers.
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT",
    # `driftline topics apply` creates topics from the table in contracts; a misspelt name must fail.
    "auto.create.topics.enable": "false",
    # One node: each internal topic has one copy.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The default is 50 each. Ten groups and a hundred transactional ids need fewer, and start and recover faster.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    # A group of one worker should not wait for others.
    "group.initial.rebalance.delay.ms": "0",
    # 30 days, longer than topics keep their records: workers that were off for less resume where they stopped.
    "offsets.retention.minutes": "43200",
    # The longest time that an open transaction may block read-committed readers.
    "transaction.max.timeout.ms": "60000",
    # The largest bound in the table of topics; each topic sets its own.
    "message.max.bytes": str(max(topic.max_message_bytes for topic in ALL)),
    # The default of 128 MiB is a sixth of the heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
}

REDIS: dict[str, str] = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    # The append-only file persists everything; snapshots would only cost forks.
    "save": "",
    # At its limit Redis must refuse writes: a silently evicted key would be read as absent. compose.yaml gives the
    # container half as much again, for the copy that is made when the append-only file is rewritten.
    "maxmemory": "4gb",
    "maxmemory-policy": "noeviction",
}


def kafka_environment() -> dict[str, str]:
    """The table as environment variables of the `apache/kafka` image: `node.id` is `KAFKA_NODE_ID`."""
    return {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in KAFKA.items()}


def redis_arguments() -> list[str]:
    """The table as command-line arguments of `redis-server`."""
    return [word for name, value in REDIS.items() for word in (f"--{name}", value)]
