"""A case: one SQL file, its input records, and the pipeline text that every engine is given.

A case is `cases/NAME.sql`. Its first comment says what it shows; lines `-- @key value` direct the harness:

    -- @input values      the records are inputs/values.jsonl, or made by generators.py; its topics are declared in inputs/values.sql
    -- @fails PATTERN     Flink refuses the file or its job fails, and its message matches; hoga must refuse it or make dead letters
    -- @approximate a b   DOUBLE columns that differ in the last digits with the order of additions, compared to 12 digits
    -- @dead 3 7         rows of these `id`s are in Flink and dead letters in hoga, for a reason that docs/sql.md gives;
                       +N more letters are of records without a row in either
    -- @zones UTC         not in both time zones, as the case is slow
    -- @slow              only with HOGA_PARITY_SLOW=1

The catalog is `lake`, its database `t`; every table in it and every topic `out…` is a result. A case that begins with `-- @whole FILE`
is that file of the repository as it stands.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import generators

FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent.parent
ZONES = ("UTC", "Asia/Seoul")

LAKE = """CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.t;
"""


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    key: str | None
    timestamp_ms: int
    value: str


@dataclass
class Case:
    name: str
    text: str
    directives: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Case:
        text = path.read_text()
        directives = dict(re.findall(r"^-- @(\w+)[ \t]*(.*?)\s*$", text, re.M))
        unknown = directives.keys() - {"input", "fails", "dead", "approximate", "zones", "slow", "whole"}
        assert not unknown, f"{path}: unknown directives {unknown}"
        return cls(path.stem, text, directives)

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(self.directives["zones"].split()) if "zones" in self.directives else ZONES

    @property
    def fails(self) -> str | None:
        return self.directives.get("fails")

    @cached_property
    def pipeline(self) -> str:
        """The file that both engines run; ${TIME_ZONE}, ${WAREHOUSE} and ${KAFKA_BOOTSTRAP} are still in it."""
        if whole := self.directives.get("whole"):
            return (REPOSITORY / whole).read_text()
        topics = FOLDER / "inputs" / f"{self.directives['input']}.sql"
        return f"SET 'table.local-time-zone' = '${{TIME_ZONE}}';\n{topics.read_text()}\n{LAKE}\n{self.text}"

    @cached_property
    def records(self) -> list[Record]:
        name = self.directives["input"]
        path = FOLDER / "inputs" / f"{name}.jsonl"
        return read_records(path) if path.exists() else [Record(**made) for made in getattr(generators, name)()]

    def result_topics(self) -> list[str]:
        return sorted(set(re.findall(r"'topic'\s*=\s*'(out[\w.-]*|upbit-alert)'", self.pipeline)))


def read_records(path: Path) -> list[Record]:
    """One record a line, in short: `{"partition": 1, "timestamp_ms": 5, "value": {…}}`. `value` comes last and is taken as it is written,
    so that numbers keep their spelling; a value that is a JSON string is its text. `topic` is `events` unless said."""
    records = []
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        head, raw = re.fullmatch(r'\{(.*?),?\s*"value":\s*(.*)\}\s*', line).groups()
        fields = json.loads("{" + head + "}")
        value = json.loads(raw) if raw.startswith('"') else raw
        records.append(Record(fields.get("topic", "events"), fields.get("partition", 0), fields.get("key"), fields.get("timestamp_ms", 0), value))
    return records


def write_records(records: list[Record], path: Path) -> None:
    """As `hoga run --input` reads them."""
    with path.open("w") as out:
        for r in records:
            line = {"topic": r.topic, "partition": r.partition, "key": r.key, "timestamp_ms": r.timestamp_ms, "value": r.value}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


def all_cases() -> list[Case]:
    return [Case.load(path) for path in sorted((FOLDER / "cases").glob("*.sql"))]
