"""`hoga run`: a pipeline on recorded records, offline, to the end of the input."""

import json

from harness import Stage
from kafka_batches import read_topic

PIPELINE = """CREATE TEMPORARY TABLE ticks (`code` STRING) WITH ('connector' = 'kafka', 'topic' = 'ticks', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
"""


def test_a_pipeline_of_topics_alone_ends_with_its_records_in_the_log(stage: Stage):
    """Nothing reads them: the end of the input is the end, also when they are fed at a rate, and a second run appends nothing."""
    pipeline, records = stage.work_dir / "topics.sql", stage.work_dir / "records.jsonl"
    pipeline.write_text(PIPELINE)
    values = [f'{{"code":"KRW-{number}"}}' for number in range(30)]
    records.write_text("".join(json.dumps({"topic": "ticks", "partition": n % 3, "timestamp_ms": n, "value": v}) + "\n" for n, v in enumerate(values)))
    arguments = ("run", "--pipeline", pipeline, "--input", records, "--data", stage.data_dir)
    for more in ((), ("--rate", "1000")):
        done = stage.run(*arguments, *more)
        assert done.returncode == 0, done.stderr
        assert sorted(record.value.decode() for record in read_topic(stage.data_dir / "log", "ticks")) == sorted(values)
