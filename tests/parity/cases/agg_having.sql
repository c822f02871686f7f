-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `n` BIGINT, `range` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, COUNT(*) AS `n`, MAX(`i`) - MIN(`i`) AS `range`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end` HAVING COUNT(*) > 2 AND MAX(`i`) IS NOT NULL;
