-- Windows longer than a day, in the session's zone.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, `window_end`, COUNT(*) AS `n` FROM TABLE(HOP(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '12' HOUR, INTERVAL '2' DAY)) GROUP BY `k`, `window_start`, `window_end`;
