-- Ticks of some keys in one partition, with equal times and NULLs: for grouping, deduplication and Top-N.
CREATE TEMPORARY TABLE ticks (
  `id` BIGINT, `k` STRING, `t` TINYINT, `s` SMALLINT, `i` INT, `l` BIGINT, `r` FLOAT, `f` DOUBLE, `p` DECIMAL(20, 8), `n` DECIMAL(5, 2), `c` STRING, `b` BOOLEAN, `at` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`at`, 3),
  WATERMARK FOR `ts` AS `ts`
) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'properties.group.id' = 'parity',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'scan.watermark.emit.strategy' = 'on-event', 'format' = 'json'
);
