-- A TIMESTAMP rowtime has no zone: the same windows everywhere.
-- @input keyed
CREATE TEMPORARY TABLE plain (`id` BIGINT, `k` STRING, `at` BIGINT, `ts` AS TO_TIMESTAMP(FROM_UNIXTIME(`at` / 1000)), `day` AS TIMESTAMPADD(SECOND, CAST(`at` / 1000 - 1773000000 AS INT), TIMESTAMP '2026-03-08 20:00:00'), WATERMARK FOR `day` AS `day` - INTERVAL '1' SECOND) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'scan.watermark.emit.strategy' = 'on-event', 'format' = 'json');
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `window_time` TIMESTAMP(3), `n` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, `window_end`, `window_time`, COUNT(*) AS `n` FROM TABLE(TUMBLE(TABLE plain, DESCRIPTOR(`day`), INTERVAL '2' MINUTE)) GROUP BY `k`, `window_start`, `window_end`, `window_time`;
