"""What the intervals tasks have read of a log that retention eats: a copy of what is gone, and which offsets nobody read."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zonepulse.oracle.metering.decode import Record
from zonepulse.streams.demo.run import read_partition


@dataclass(slots=True)
class LogCopy:
    """`folder` holds a file of records for every partition of which something was deleted."""

    broker: str
    topic: str
    folder: Path
    lost: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Partition -> half-open stretches of offsets that nobody has read."""

    def keep(self, partition: int, read_to: int, end: int) -> None:
        """Copy what is still there below `read_to`; what lies from there to `end` is lost."""
        with self._file(partition).open("ab") as file:
            for record in self._left(partition):
                if record.offset >= read_to:
                    break
                pickle.dump(record, file, pickle.HIGHEST_PROTOCOL)
        self.lost.setdefault(partition, []).append((read_to, end))

    def records(self, partition: int) -> Iterator[Record]:
        """Everything that was read, in order: the copy, then what the topic has."""
        path = self._file(partition)
        if path.exists():
            with path.open("rb") as file:
                while True:
                    try:
                        yield pickle.load(file)
                    except EOFError:
                        break
        yield from self._left(partition)

    def _left(self, partition: int) -> Iterator[Record]:
        """What the topic has behind the last deletion. A broker that is killed within a minute of it has forgotten where its log began, and
        shows again what was deleted."""
        begin = self.lost[partition][-1][1] if partition in self.lost else 0
        return (record for record in read_partition(self.broker, self.topic, partition) if record.offset >= begin)

    def _file(self, partition: int) -> Path:
        return self.folder / f"read-{partition}.pickle"
