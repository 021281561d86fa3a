"""One test for each private name that streams/kafka/raw_batches.py touches. One that fails says what to look at before upgrading."""

import inspect

from aiokafka import AIOKafkaConsumer, conn
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from fetches import Message, RecordBatch
from numba.core.cpu import CPUTargetOptions

from zonepulse.streams.kafka import raw_batches


def source(thing: object) -> str:
    return " ".join(inspect.getsource(thing).split())  # type: ignore[arg-type]


def test_the_fetcher_makes_records_of_bytes_before_it_makes_partition_records_of_them() -> None:
    text = source(fetcher.Fetcher._proc_fetch_request)
    assert "records = MemoryRecords(part_data[-1]) if records.has_next():" in text
    assert "elif records.size_in_bytes() > 0:" in text
    assert (
        "partition_records = PartitionRecords( tp, records, aborted_transactions, fetch_offset, self._key_deserializer,"
        " self._value_deserializer, self._check_crcs, self._isolation_level, )"
    ) in text


def test_partition_records_take_these_parameters_and_know_the_next_offset() -> None:
    assert list(inspect.signature(raw_batches._PartitionRecords).parameters) == [
        "tp", "records", "aborted_transactions", "fetch_offset", "key_deserializer", "value_deserializer", "check_crcs", "isolation_level",
    ]  # fmt: skip
    text = source(raw_batches._PartitionRecords)
    assert "self.next_fetch_offset = fetch_offset" in text


def test_a_fetch_result_iterates_partition_records_and_moves_to_their_next_offset() -> None:
    assert "for msg in self._partition_records:" in source(fetcher.FetchResult.getall)
    assert "position != self._partition_records.next_fetch_offset" in source(fetcher.FetchResult.check_assignment)


def test_aborted_transactions_are_pairs_of_producer_and_first_offset() -> None:
    assert "producer_id, first_offset = aborted_transactions[0]" in source(raw_batches._PartitionRecords._consume_aborted_up_to)
    assert fetcher.READ_COMMITTED == 1


def test_a_connection_reads_ahead_up_to_a_limit_of_its_module() -> None:
    assert "asyncio.StreamReader(limit=READER_LIMIT, loop=loop)" in source(conn.AIOKafkaConnection.connect)


def test_memory_records_are_made_of_bytes() -> None:
    records = raw_batches._Records(RecordBatch([Message(b"x")]).raw)
    assert records.has_next()
    assert records.size_in_bytes() > 0


def test_other_topics_keep_the_clients_own_records() -> None:
    kept = raw_batches._KeptBytes(RecordBatch([Message(b"x")]).raw)
    found = raw_batches._partition_records(TopicPartition("another", 0), kept, None, 0, None, None, True, 0)
    assert isinstance(found, raw_batches._PartitionRecords)
    assert [record.value for record in found] == [b"x"]


def test_numba_compiles_without_reference_counts_on_request() -> None:
    assert hasattr(CPUTargetOptions, "_nrt")


def test_the_isolation_level_set_on_the_client_reaches_its_fetcher() -> None:
    assert "self._isolation_level = isolation_level" in source(AIOKafkaConsumer.__init__)
    assert "isolation_level=self._isolation_level" in source(AIOKafkaConsumer.start)
