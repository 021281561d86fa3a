"""Faust as zonepulse uses it: membership, topics, tables and timers; hot data pass it in batches."""

import asyncio
import logging
import sys
from collections.abc import Iterable
from typing import Any, Final, NoReturn, cast

import faust
from aiokafka.errors import InvalidMessageError, MessageSizeTooLargeError
from faust.auth import Credentials, OAuthCredentials, SASLCredentials, SSLCredentials
from faust.tables import TableManager
from mode.supervisors import CrashingSupervisor

from zonepulse.schemas.messages.topics import MAX_MESSAGE_BYTES
from zonepulse.streams.access.address import access_of, connection_to
from zonepulse.streams.access.renewed_connections import renew_connections
from zonepulse.streams.access.tls import RenewedContext
from zonepulse.streams.kafka.batches import BatchConsumer, BatchTransport
from zonepulse.streams.kafka.few_lines import bound_lines
from zonepulse.streams.settings import Settings

LINGER_MS: Final = 5
EXIT_CRASHED: Final = 1
REFUSED: Final = (MessageSizeTooLargeError, InvalidMessageError, ValueError, TypeError)
"""What says that a record itself cannot be sent, whatever the state of the broker."""
PRODUCER_MARGIN_BYTES: Final = 65_536
"""What is sent on has headers that the record had not."""
log = logging.getLogger(__name__)


class KnownTables(TableManager):
    """Faust's, without the second for which it waits at a start: agents might make tables. Ours are made before the app starts."""

    async def sleep(self, n: Any, **_: Any) -> None:
        """Lets others run."""
        await super().sleep(0)


def credentials(broker: str) -> Credentials | None:
    """The access to a broker in Faust's words; None: a plain connection. Raises tls.BadCertificate."""
    access = access_of(broker)
    context = RenewedContext(access.files) if access.is_encrypted else None
    if access.has_token:
        return OAuthCredentials(oauth_cb=connection_to(broker)["sasl_oauth_token_provider"], ssl_context=context)
    if access.has_password:
        return SASLCredentials(username=access.user, password=access.password, mechanism=access.mechanism, ssl_context=context)
    return None if context is None else SSLCredentials(context)


def build_app(settings: Settings, name: str) -> faust.App:
    """The app of one kind of worker. `name` (with the topic prefix) is its consumer group: workers of equal name share the work."""
    renew_connections()
    app = faust.App(
        f"{settings.topic_prefix}{name}",
        broker_credentials=credentials(settings.broker),
        broker=f"kafka://{settings.broker.replace(',', ';kafka://')}",
        datadir=str(settings.data_dir / name),
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        topic_allow_declare=True,
        table_standby_replicas=0,
        web_enabled=False,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        agent_supervisor=CrashingSupervisor,
        TableManager=KnownTables,
        broker_session_timeout=settings.session_timeout_s,
        broker_rebalance_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{name}-{settings.instance}" if settings.is_static else None,
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_acks=-1,
        producer_linger_ms=LINGER_MS,
        producer_max_request_size=MAX_MESSAGE_BYTES + PRODUCER_MARGIN_BYTES,
        worker_redirect_stdouts=False,
    )
    app.transport = app.producer_transport = transport = BatchTransport(app.conf.broker_consumer, app)
    transport.broker = settings.broker

    async def end_leases(*_: Any, **__: Any) -> None:
        if isinstance(app.consumer, BatchConsumer):
            await app.consumer.end()

    app.on_before_shutdown.connect(end_leases, weak=False)
    return app


class Worker(faust.Worker):
    """Faust's, whose log has few lines."""

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Logging is set up by now."""
        super().on_setup_root_logger(logger, level)
        bound_lines(logger)


def run_worker(app: faust.App, log_level: str = "WARNING") -> NoReturn:
    """Runs until a signal (exit code 0) or a crash (exit code 1: whoever supervises starts it again)."""
    app.conf.datadir.parent.mkdir(parents=True, exist_ok=True)
    worker = Worker(app, loglevel=log_level, redirect_stdouts=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        if app.crashed or worker.crashed:
            sys.exit(EXIT_CRASHED)
        raise stop


class Outbox:
    """Sends records and knows when the broker has them all (acks=all)."""

    def __init__(self, app: faust.App) -> None:
        self._app = app
        self._pending: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        may_be_refused: bool = False,
    ) -> None:
        """Queues one record, in order per partition; waits only while the producer's buffers are full.

        With `may_be_refused` a broker's refusal of the record itself is logged, and is no failure of `flush`.
        """
        producer = await self._app.maybe_start_producer()
        value = b"" if key is None and value is None else value  # the client refuses a record with neither
        # Faust takes seconds and cuts to ms: half a millisecond more keeps the float product from falling below.
        timestamp = None if timestamp_ms is None else (timestamp_ms + 0.5) / 1000
        sent = await producer.send(topic, key, value, partition, timestamp, list(headers))
        future = cast("asyncio.Future[Any]", sent)
        self._pending.add(future)
        future.add_done_callback(self._sent_or_refused if may_be_refused else self._sent)

    async def flush(self) -> None:
        """Returns when everything sent so far is acknowledged; raises the first failure since the last flush."""
        await self._app.producer.flush()
        while self._pending:
            await asyncio.wait(set(self._pending))
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _sent_or_refused(self, future: asyncio.Future[Any]) -> None:
        refusal = None if future.cancelled() else future.exception()
        if not isinstance(refusal, REFUSED):
            self._sent(future)
            return
        self._pending.discard(future)
        log.error("the broker refuses a record, which is left out: %s", refusal)

    def _sent(self, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        if future.cancelled():
            self._failure = self._failure or ConnectionError("the producer stopped before the broker acknowledged a record")
        elif future.exception() is not None:
            self._failure = self._failure or future.exception()
