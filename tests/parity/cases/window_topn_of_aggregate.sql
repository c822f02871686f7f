-- The busiest key of every minute.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `n` BIGINT, `window_start` TIMESTAMP(3), `rank` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `n`, `window_start`, `rank` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `window_start`, `window_end` ORDER BY `n` DESC, `k`) AS `rank` FROM (SELECT `k`, `window_start`, `window_end`, COUNT(*) AS `n` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`) AS a) AS r WHERE `rank` <= 2;
