"""What is right where Flink is not (`flink_bugs.txt`), by a plain reading of the records. Pure."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from case import Case
from compare import Row, canonical_rows

MINUTE_MS = 60_000


def tumble_offset(case: Case, zone: str) -> dict[str, list[Row]]:
    """Rows of each window of 7 minutes, 90 seconds after the clock's multiples of 7 minutes; late rows are left out."""
    size_ms, offset_ms, delay_ms = 7 * MINUTE_MS, 90_000, 5_000
    counts: Counter[int] = Counter()
    watermark = -(2**63)
    for record in case.records:
        at = json.loads(record.value)["at"]
        instant = datetime.fromtimestamp(at / 1000, timezone.utc)
        ahead_ms = int(instant.astimezone(ZoneInfo(zone)).utcoffset().total_seconds() * 1000)
        start = at + ahead_ms - (at + ahead_ms - offset_ms) % size_ms
        if start + size_ms - 1 - ahead_ms > watermark:
            counts[start] += 1
        watermark = max(watermark, at - delay_ms - 1)
    wall = lambda ms: datetime.fromtimestamp(ms / 1000, timezone.utc).replace(tzinfo=None)
    rows = [{"window_start": wall(start), "window_end": wall(start + size_ms), "n": n} for start, n in counts.items()]
    return {"t.answer": canonical_rows(rows)}


def bids_of_bidders(case: Case, zone: str) -> dict[str, list[Row]]:
    """Every bid is in some window, so in the sum of all."""
    events = (json.loads(record.value) for record in case.records)
    counts = Counter(event["bid"]["bidder"] for event in events if "bid" in event)
    return {"t.answer": canonical_rows([{"bidder": bidder, "bid_count": n} for bidder, n in counts.items()])}


RIGHT = {"nexmark_q12": bids_of_bidders, "window_tumble_offset": tumble_offset}
