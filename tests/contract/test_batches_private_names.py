"""One test for each private name that streams/kafka/batches.py touches. A test that fails here says what to look at before upgrading."""

import asyncio
import inspect
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.util import commit_structure_validate
from faust.channels import Channel
from faust.tables.recovery import Recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from mode.utils.queues import FlowControlEvent, ThrowableQueue


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def source(thing: object) -> str:
    """Source text with single blanks."""
    return " ".join(inspect.getsource(thing).split())  # type: ignore[arg-type]


@pytest.mark.parametrize(("package", "pinned"), [("faust-streaming", "0.15.3"), ("aiokafka", "0.14.0")])
def test_the_versions_are_those_this_file_was_written_for(package: str, pinned: str) -> None:
    assert version(package) == pinned


def test_wait_next_records_is_the_only_way_into_the_drain_loop() -> None:
    assert parameters(consumer.Consumer._wait_next_records) == ["self", "timeout"]
    assert "ait = cast(AsyncIterator, getmany(timeout=1.0))" in source(consumer.Consumer._drain_messages)
    assert "records, active_partitions = await self._wait_next_records(timeout)" in source(consumer.Consumer.getmany)


def test_no_records_make_getmany_return_before_it_would_seek() -> None:
    text = source(consumer.Consumer.getmany)
    assert text.index("if records is None or self.should_stop: return") < text.index("await self.perform_seek()")


def test_getmany_passes_the_partitions_that_wait_next_records_found_active() -> None:
    assert parameters(driver.Consumer._getmany) == ["self", "active_partitions", "timeout"]
    assert "records = await self._getmany( active_partitions=active_partitions, timeout=timeout, )" in source(
        consumer.Consumer._wait_next_records
    )


def test_to_aiokafka_no_partitions_means_all_of_them() -> None:
    assert "if partitions and tp not in partitions:" in source(fetcher.Fetcher.fetched_records)


def test_a_fetch_without_timeout_returns_at_once() -> None:
    assert "if drained or not timeout: return drained" in source(fetcher.Fetcher.fetched_records)


def test_commit_takes_next_offsets_and_leaves_out_what_is_not_assigned() -> None:
    assert parameters(driver.Consumer._commit) == ["self", "offsets"]
    text = source(driver.AIOKafkaConsumerThread._commit)
    assert "tp: offset for tp, offset in offsets.items() if tp in self.assignment()" in text
    assert 'if "already rebalanced" in str(exc): return False' in text


def test_a_commit_of_nothing_would_crash_the_worker() -> None:
    with pytest.raises(ValueError):
        commit_structure_validate({})
    assert "return await self.call_thread(self._commit, offsets)" in source(driver.AIOKafkaConsumerThread.commit)


def test_the_consumer_makes_its_thread_in_new_consumer_thread_and_keeps_it_in_thread() -> None:
    assert parameters(driver.Consumer._new_consumer_thread) == ["self"]
    assert "self._thread = self._new_consumer_thread()" in source(consumer.ThreadDelegateConsumer.__init__)


def test_the_thread_makes_the_client_in_create_worker_consumer() -> None:
    assert parameters(driver.AIOKafkaConsumerThread._create_worker_consumer) == ["self", "transport"]
    assert "self._consumer = self._create_consumer(loop=self.thread_loop)" in source(driver.AIOKafkaConsumerThread.on_start)
    assert parameters(driver.AIOKafkaConsumerThread._ensure_consumer) == ["self"]


def test_the_fetch_wait_set_on_the_client_reaches_its_fetcher() -> None:
    assert "self._fetch_max_wait_ms = fetch_max_wait_ms" in source(AIOKafkaConsumer.__init__)
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in source(AIOKafkaConsumer.start)
    assert "self._fetch_max_bytes = fetch_max_bytes" in source(AIOKafkaConsumer.__init__)
    assert "fetch_max_bytes=self._fetch_max_bytes" in source(AIOKafkaConsumer.start)


def test_one_fetch_a_broker_is_under_way_which_is_why_the_fetch_wait_is_short() -> None:
    assert "elif node_id in self._in_flight: # We have in-flight fetches to this node continue" in source(
        fetcher.Fetcher._get_actions_per_node
    )


def test_the_clients_position_lies_behind_everything_fetched() -> None:
    assert "self._subscription = " in source(AIOKafkaConsumer.__init__)
    assert parameters(subscription_state.Assignment.state_value) == ["self", "tp"]
    assert isinstance(subscription_state.TopicPartitionState.position, property)
    assert isinstance(subscription_state.TopicPartitionState.has_valid_position, property)
    assert "state.consumed_to(self._partition_records.next_fetch_offset)" in source(fetcher.FetchResult._update_position)


def test_recovery_seeks_before_it_lets_records_flow() -> None:
    text = source(Recovery._resume_streams)
    assert text.index("consumer.perform_seek()") < text.index("consumer.resume_flow()")
    assert "_committed_offsets = await self.seek_to_committed()" in source(consumer.Consumer.perform_seek)


def test_a_cleared_queue_cancels_whoever_waits_to_put() -> None:
    async def scenario() -> None:
        flow = FlowControlEvent(initially_suspended=False)
        queue: ThrowableQueue[int] = ThrowableQueue(maxsize=1, flow_control=flow, clear_on_resume=True)
        await queue.put(1)
        waiting = asyncio.create_task(queue.put(2))
        await asyncio.sleep(0)
        flow.clear()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert queue.empty()

    asyncio.run(scenario())


def test_a_channel_takes_any_object_and_waits_for_room() -> None:
    assert "await subscriber.queue.put(value)" in source(Channel.put)
    assert "return await self.queue.get()" in source(Channel.__anext__)


def test_settings_extra_has_the_last_word_on_the_producers_settings() -> None:
    text = source(driver.Producer._new_producer)
    assert text.index("_settings_default()") < text.index("_settings_extra()")


def test_the_transport_class_names_its_consumer_and_producer() -> None:
    assert driver.Transport.Consumer is driver.Consumer
    assert driver.Transport.Producer is driver.Producer
