-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `c` BIGINT, `i` BIGINT, `t` TINYINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, COUNT(DISTINCT `c`) AS `c`, COUNT(DISTINCT `i`) AS `i`, SUM(DISTINCT `t`) AS `t`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
