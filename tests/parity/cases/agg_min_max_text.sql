-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `minc` STRING, `maxc` STRING, `minb` BOOLEAN, `maxb` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, MIN(`c`) AS `minc`, MAX(`c`) AS `maxc`, MIN(`b`) AS `minb`, MAX(`b`) AS `maxb`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
