"""Files that would stop the commands that read them, and a process of its own that gives them to one command after another:
`python hostile_files.py FOLDER JSON`, JSON being a list of commands.

Of each command a line of JSON says how it ended, what it told, its CPU time and the peak of the process so far: the limits are those of
one command, so the peak of many is a stricter one.
"""

import gc
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from zonepulse.schemas.zone_file.bounds import MAX_BYTES

N = 100_000
ONE = b'{"meter":"M","register":"1.8.0","ts":1790000000000,"value":%s,"ingest_ms":1790000000000}\n'
HEAD = b"meter,register,ts,value\n"
FEED = b'<?xml version="1.0"?>%s<feed xmlns="http://www.w3.org/2005/Atom"><title>%s</title>'
ENTITIES = b'<!ENTITY a0 "ha">' + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 10))
JUNK = random.Random(5).randbytes(3_000)
BOMBS = {
    "arrays.jsonl": b"[" * N + b"\n",
    "objects.jsonl": b'{"a":' * N + b"\n",
    "closed.jsonl": ONE % (b"[" * N + b"]" * N),
    "digits.jsonl": ONE % (b"9" * 10 * N),
    "arrays.json": b"[" * N + b"]" * N,
    "digits.csv": HEAD + b"M,1.8.0,1790000000000," + b"9" * 10 * N + b"\n",
    "time.csv": HEAD + b"M,1.8.0," + b"9" * 10 * N + b",1\n",
    "time.tsv": HEAD.replace(b",", b"\t") + b"M\t1.8.0\t" + b"9" * 10 * N + b"\t1\n",
    "blanks.csv": HEAD + b"M,1.8.0,2026-01-01 " + b" " * N + b"x,1" + b" " * N + b"x\n",
    "points.csv": HEAD + b"M,1.8.0,1790000000000," + b"1.1" * N + b"\n",
    "polygon.csv": HEAD + b'"POLYGON(' + b"(" * N + b'",1.8.0,1790000000000,1\n',
    "quotes.csv": HEAD + b'"' * (10 * N + 1) + b"\n",
    "columns.csv": b",".join(b"c%d" % i for i in range(N)) + b"\n" + b"," * N + b"\n",
    "deep.xml": FEED % (b"", b"") + b"<a>" * (N // 10),
    "laughs.xml": FEED % (b"<!DOCTYPE z [" + ENTITIES + b"]>", b"&a9;"),
    "passwd.xml": FEED % (b'<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/passwd">]>', b"&a;"),
    **{f"random.{kind}": JUNK for kind in ("xlsx", "xml", "json", "csv", "parquet")},
    "none.csv": b"",
    "none.xml": b"",
}


def last_cell(path: Path) -> None:
    """A workbook of one cell, the last that a sheet has: the blank ones before it are 17 billion."""
    _workbook(path, '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', 0)


def long_texts(path: Path) -> None:
    """A workbook of 0.5 MB whose texts unpack to 500 MB, all of which a reader must have before the first row."""
    _workbook(path, '<row r="1"><c r="A1" t="s"><v>0</v></c></row>', 24)


def _workbook(path: Path, rows: str, million_texts: int) -> None:
    openpyxl.Workbook().save(path.with_name("empty.xlsx"))
    with ZipFile(path.with_name("empty.xlsx")) as empty, ZipFile(path, "w", ZIP_DEFLATED) as book:
        for part in empty.namelist():
            text = empty.read(part).decode()
            text = re.sub("<sheetData.*(</sheetData>|/>)(?=<pageMargins)", f"<sheetData>{rows}</sheetData>", text)
            if part == "[Content_Types].xml" and million_texts:
                text = text.replace("</Types>", f'<Override PartName="/{TEXTS}" ContentType="{TEXTS_TYPE}"/></Types>')
            if part != TEXTS:
                book.writestr(part, text)
        if million_texts:
            with book.open(TEXTS, "w") as texts:
                texts.write(b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">')
                for _ in range(1_000 * million_texts):
                    texts.write(b"<si><t>meter</t></si>" * 1_000)
                texts.write(b"</sst>")


TEXTS = "xl/sharedStrings.xml"
TEXTS_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


def long_line(path: Path) -> None:
    """A line of 300 MB in 0.3 MB."""
    with pa.output_stream(path, compression="gzip") as stream:
        for _ in range(300):
            stream.write(bytes(1 << 20))


def long_cells(path: Path) -> None:
    """A table of 0.1 MB whose names are 2 GB once every row has its own."""
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 100_000]))
    times = pa.array([1_790_000_000_000] * 20_000)
    pq.write_table(pa.table({"meter": names, "register": names, "ts": times, "value": times, "ingest_ms": times}), path)


def truncated(path: Path) -> None:
    """The end of the file, where Parquet says what is in it, is missing."""
    pq.write_table(pa.table({"meter": ["M"] * 1_000, "ts": range(1_000)}), path)
    path.write_bytes(path.read_bytes()[:-50])


MADE: dict[str, Callable[[Path], object]] = {
    "last_cell.xlsx": last_cell,
    "long_texts.xlsx": long_texts,
    "long_line.csv.gz": long_line,
    "long_line.jsonl.gz": long_line,
    "long_cells.parquet": long_cells,
    "truncated.parquet": truncated,
}


def aliases(start: str, levels: int = 9) -> bytes:
    """YAML of less than 1 kB whose aliases stand for 9 ** levels values."""
    lines = ["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{{start}: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, levels))]
    return "\n".join(("zone: {id: z, timezone: UTC}", *lines, f"companies: [*a{levels - 1}]\n")).encode()


ZONES = {
    "aliases.yaml": aliases("x"),
    "merges.yaml": aliases("<<"),
    "deep.yaml": b"[" * N,
    "deeper.yaml": b"{a: " * N,
    "digits.yaml": b"zone: {id: z, timezone: UTC, window: " + b"9" * 6_000 + b"}",
    "object.yaml": b"zone: !!python/object/apply:os.system ['touch RAN']",
    "mistakes.yaml": b"zone: {id: z, timezone: UTC}\ncompanies: [" + b"{}, " * (2 * N) + b"]",
    "random.yaml": JUNK,
    "zeros.yaml": bytes(N),
    "long.yaml": b"a: 1\n" * (MAX_BYTES // 5 + 1),
    "none.yaml": b"",
    "book.yaml": b"PK\x03\x04" + JUNK,
}


def main(folder: Path, commands: list[list[str]]) -> None:
    from typer.testing import CliRunner

    from zonepulse.streams.cli.main import app

    with (folder / "ends.jsonl").open("w", buffering=1) as out:
        for command in commands:
            begun = time.process_time()
            done = CliRunner().invoke(app, command)
            cpu_s = time.process_time() - begun
            raised = None if done.exception is None or isinstance(done.exception, SystemExit) else repr(done.exception)
            peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
            facts = {
                "command": command,
                "code": done.exit_code,
                "raised": raised,
                "told": done.output,
                "cpu_s": cpu_s,
                "peak": peak,
            }
            out.write(json.dumps(facts) + "\n")
            del done
            gc.collect()  # what the command left in circles is not part of the next one's peak


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
