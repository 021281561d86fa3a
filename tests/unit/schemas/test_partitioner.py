"""The partition of a meter: the same as Kafka's own clients choose."""

import dataclasses

from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_python_murmur2
from zones import zone

from zonepulse.schemas.messages.partitioner import murmur2, partition_key, partition_of


@given(st.binary(max_size=64))
def test_the_hash_is_that_of_both_kafka_clients(key: bytes) -> None:
    assert murmur2(key) & 0xFFFFFFFF == kafka_python_murmur2(key) & 0xFFFFFFFF == aiokafka_murmur2(key) & 0xFFFFFFFF


def test_the_hash_is_signed_as_in_the_java_client() -> None:
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    assert {key: murmur2(key) for key in known} == known


@given(st.text(max_size=20), st.integers(1, 200))
def test_the_partition_is_the_positive_hash_modulo_the_number_of_partitions(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == (kafka_python_murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def test_the_key_is_what_the_zone_says() -> None:
    registry = zone()
    policy, bare = registry.zone, registry.meters[0]
    behind_gateway = dataclasses.replace(bare, gateway="gw")
    assert partition_key(policy, behind_gateway) == "gw"
    assert partition_key(policy, bare) == "s"
    assert partition_key(dataclasses.replace(policy, key="site"), behind_gateway) == "s"
    assert partition_key(dataclasses.replace(policy, key="meter"), behind_gateway) == "M"
