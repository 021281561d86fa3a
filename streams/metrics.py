"""Every metric, declared once: name, kind, unit and meaning."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one worker. Labels: `topic` without prefix, `table`, `partition`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.records = Counter("zonepulse_records_total", "Kafka records handled", ["topic"], registry=registry)
        self.lag = Gauge("zonepulse_lag_records", "Records not yet handled", ["topic", "partition"], registry=registry)
        self.rows = Counter("zonepulse_rows_written_total", "Rows that ClickHouse acknowledged", ["table"], registry=registry)
        self.inserts = Counter("zonepulse_inserts_total", "Inserts that ClickHouse acknowledged", ["table"], registry=registry)
        self.insert_seconds = Histogram(
            "zonepulse_insert_seconds", "Time of an acknowledged insert", ["table"], buckets=_SECONDS, registry=registry
        )
        self.backpressure = Counter("zonepulse_sink_backpressure_total", "Inserts put off", ["table"], registry=registry)
        self.dead_letters = Counter("zonepulse_dead_letters_total", "Items that could not be booked", ["reason"], registry=registry)

    def serve(self, port: int) -> None:
        """Answers Prometheus on 127.0.0.1:`port`; 0 = off."""
        if port:
            start_http_server(port, "127.0.0.1", registry=self.registry)
