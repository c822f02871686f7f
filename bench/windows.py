"""Event -> result of a closed window: from the record that passes the watermark over a window's end to its results at a Kafka consumer.

Trades come in at a steady rate through hoga's Kafka listener, each partition in the order of its event times; windows of one second are counted by market
into a topic. A window is over when every partition has had a record at or behind its end: the clock starts when the last of these three is given to the
producer, so what is measured holds both ways over Kafka, too.
"""

from __future__ import annotations

import argparse
import json
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from rig import heading, quantile, result, stage

PARTITIONS = 3
MARKETS = 200
FRAME = '{"type":"trade"}\n'
PIPELINE = """
SET 'table.local-time-zone' = 'UTC';
CREATE TEMPORARY TABLE bench_trade (`code` STRING, `price` DECIMAL(20, 8), `at` BIGINT, `ts` AS TO_TIMESTAMP_LTZ(`at`, 3), WATERMARK FOR `ts` AS `ts`)
WITH ('connector' = 'kafka', 'topic' = 'bench-trade', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TEMPORARY TABLE bench_bar (`code` STRING, `window_end` STRING, `trades` BIGINT, `high` DECIMAL(20, 8))
WITH ('connector' = 'kafka', 'topic' = 'bench-bar', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'format' = 'json');
INSERT INTO bench_bar SELECT `code`, CAST(window_end AS STRING), COUNT(*), MAX(`price`)
FROM TABLE(TUMBLE(TABLE bench_trade, DESCRIPTOR(`ts`), INTERVAL '1' SECOND)) GROUP BY `code`, window_start, window_end;
"""


class Arrivals(threading.Thread):
    """When each window's results came."""

    def __init__(self, bootstrap: str):
        super().__init__(daemon=True)
        self.times: dict[str, list[float]] = {}
        self.is_done = False
        self.consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False, "fetch.wait.max.ms": 100})
        self.consumer.assign([TopicPartition("bench-bar", partition, 0) for partition in range(PARTITIONS)])

    def run(self) -> None:
        while not self.is_done:
            # one by one: consume(n, s) would wait for n messages or s seconds
            message = self.consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.times.setdefault(json.loads(message.value())["window_end"], []).append(time.monotonic())
        self.consumer.close()


def window_name(end_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime(end_s))


def produce(bootstrap: str, rate: int, seconds: int) -> dict[str, float]:
    """When the record that closed each window was sent, by the window."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "acks": "all"})
    passed = [0] * PARTITIONS  # the second that each partition's records have reached
    closed: dict[str, float] = {}
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        wanted = int((time.monotonic() - began) * rate)
        while number < wanted:
            market = number % MARKETS
            at, partition = time.time_ns() // 1_000_000, market % PARTITIONS
            producer.produce("bench-trade", json.dumps({"code": f"KRW-M{market:03}", "price": 1000 + number % 97, "at": at}).encode(), partition=partition)
            if at // 1_000 > passed[partition]:
                passed[partition] = at // 1_000
                if min(passed) == at // 1_000:
                    closed[window_name(at // 1_000)] = time.monotonic()
            number += 1
        producer.poll(0)
        time.sleep(0.001)
    producer.flush(10)
    return closed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    heading(f"event -> result of a closed window, {options.rate:,} events/s of {MARKETS} markets, windows of 1 s, {options.seconds} s")
    with stage() as place:
        pipeline, frames = place.work_dir / "windows.sql", place.work_dir / "frames.jsonl"
        pipeline.write_text(PIPELINE)
        frames.write_text(FRAME)
        up = place.up("--source", f"replay:{frames}", "--pipeline", str(pipeline)).wait_ready()
        arrivals = Arrivals(up.kafka)
        arrivals.start()
        closed = produce(up.kafka, options.rate, options.seconds)
        time.sleep(1)
        arrivals.is_done = True
        arrivals.join()
    measured = {end: sent for end, sent in list(closed.items())[1:] if end in arrivals.times}
    delays = [arrived - sent for end, sent in measured.items() for arrived in arrivals.times[end]]
    result("windows, results", f"{len(measured):,}, {len(delays):,}")
    for share in (0.5, 0.99, 1.0):
        result(f"closing record sent -> result at the consumer, p{share * 100:g}", f"{quantile(delays, share) * 1e3:.1f} ms", "target < 20 ms" if share == 0.99 else "")
    assert len(delays) >= 0.95 * MARKETS * len(measured) > 0, "results are missing"


if __name__ == "__main__":
    main()
