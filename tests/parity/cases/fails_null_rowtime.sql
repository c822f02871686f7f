-- A rowtime that is NULL.
-- @input bad
-- @fails RowTime field should not be null
CREATE TEMPORARY TABLE timed (`id` BIGINT, `gone` BIGINT, `ts` AS TO_TIMESTAMP_LTZ(`gone`, 3), WATERMARK FOR `ts` AS `ts`) WITH (
  'connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json'
);
CREATE TABLE lake.t.answer (`n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE timed, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `window_start`, `window_end`;
