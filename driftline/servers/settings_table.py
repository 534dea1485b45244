"""The one table of broker and Redis settings: local runs write it to a file, `compose.yaml` repeats it.

`tests/driftline/test_compose.py` compares the two. What differs between them (ports, folders, listeners) is not here.
"""

from contracts.topics import ALL

KAFKA_VERSION = "4.2.0"  # of the jars and of the image
LOG4J_VERSION = "2.24.3"
KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"
KAFKA_HEAP = "-Xms256m -Xmx768m"
REDIS_IMAGE = "redis:7.0.15-bookworm"  # what Debian 12 packages

# Names the storage of a broker, so that a folder formatted once fits every later start.
CLUSTER_ID = "RHJpZnRsaW5lLWxvY2FsMQ"

KAFKA: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    # HOST is what compose.yaml's broker answers programs outside of the containers on.
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT",
    # `driftline topics apply` makes topics, by the table in contracts; a misspelt name must fail.
    "auto.create.topics.enable": "false",
    # One node: each internal topic has one copy.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Ten groups and a hundred transactional ids need no 50 partitions each; fewer make start and recovery quick.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    # A group of one worker should not wait for company.
    "group.initial.rebalance.delay.ms": "0",
    # 30 days: workers that were off for longer than topics keep their records start over, but not before.
    "offsets.retention.minutes": "43200",
    # The longest that an open transaction may hold back read-committed readers.
    "transaction.max.timeout.ms": "60000",
    # The widest topic of the table; each topic sets its own bound below it.
    "message.max.bytes": str(max(topic.max_message_bytes for topic in ALL)),
    # The default of 128 MiB for the cleaner is a sixth of the heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
}

REDIS: dict[str, str] = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    # The append-only file is the persistence; snapshots beside it would only fork.
    "save": "",
    # A view that silently drops keys would be read as "none": at its bound it refuses writes instead. compose.yaml
    # gives the container half as much again, for the copy that rewriting the append-only file makes.
    "maxmemory": "4gb",
    "maxmemory-policy": "noeviction",
}


def kafka_environment() -> dict[str, str]:
    """The table as the `apache/kafka` image takes it: `node.id` is `KAFKA_NODE_ID`."""
    return {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in KAFKA.items()}


def redis_arguments() -> list[str]:
    """The table as `redis-server` takes it on its command line."""
    return [word for name, value in REDIS.items() for word in (f"--{name}", value)]
