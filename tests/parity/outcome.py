"""What running a case gave: the rows of every result, or why there are none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from compare import Row


@dataclass
class Outcome:
    """`results` by name: `database.table` of the lake, or a topic. `error`: the file was refused or its job failed."""

    results: dict[str, list[Row]] = field(default_factory=dict)
    error: str | None = None
    dead_letters: int = 0

    def to_json(self) -> dict:
        return asdict(self)
