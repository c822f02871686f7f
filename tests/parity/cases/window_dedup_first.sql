-- The first row of every key and window by time; equal times: the first to arrive.
-- @input keyed
CREATE TABLE lake.t.answer (
  `id` BIGINT, `k` STRING, `i` INT, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `k`, `i`, `window_start`, `window_end` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `k`, `window_start`, `window_end` ORDER BY `ts`) AS `rank` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE))) AS r WHERE `rank` = 1;
