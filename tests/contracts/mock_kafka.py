"""A process with librdkafka's mock cluster: prints where it listens, then does what it is told, a line at a time.

Source: `rdkafka_mock.h` of librdkafka. confluent-kafka carries the library and does not show these functions.
"""

import ctypes
import sys
from pathlib import Path

import confluent_kafka


def library() -> ctypes.CDLL:
    """librdkafka, as the wheel of confluent-kafka has it."""
    (found,) = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*")
    loaded = ctypes.CDLL(str(found))
    cluster = ctypes.c_void_p
    loaded.rd_kafka_conf_new.restype = ctypes.c_void_p
    loaded.rd_kafka_new.restype = ctypes.c_void_p
    loaded.rd_kafka_new.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    loaded.rd_kafka_mock_cluster_new.restype = cluster
    loaded.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    loaded.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    loaded.rd_kafka_mock_cluster_bootstraps.argtypes = [cluster]
    loaded.rd_kafka_mock_topic_create.argtypes = [cluster, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    loaded.rd_kafka_mock_broker_set_down.argtypes = [cluster, ctypes.c_int32]
    loaded.rd_kafka_mock_broker_set_up.argtypes = [cluster, ctypes.c_int32]
    loaded.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [cluster, ctypes.c_int32]
    return loaded


def main() -> None:
    """Serve until standard input ends."""
    loaded = library()
    client = loaded.rd_kafka_new(0, loaded.rd_kafka_conf_new(), ctypes.create_string_buffer(200), 200)
    cluster = loaded.rd_kafka_mock_cluster_new(client, 1)
    loaded.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 50)
    sys.stdout.write(loaded.rd_kafka_mock_cluster_bootstraps(cluster).decode() + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        words = line.split()
        if words[0] == "topic":
            loaded.rd_kafka_mock_topic_create(cluster, words[1].encode(), int(words[2]), 1)
        elif words[0] == "down":
            loaded.rd_kafka_mock_broker_set_down(cluster, 1)
        else:
            loaded.rd_kafka_mock_broker_set_up(cluster, 1)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
