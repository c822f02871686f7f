-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `mini` INT, `maxl` BIGINT, `minp` DECIMAL(20, 8), `maxf` DOUBLE, `minr` FLOAT,
  `maxn` DECIMAL(5, 2), `mints` TIMESTAMP_LTZ(3), `maxt` TINYINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, MIN(`i`) AS `mini`, MAX(`l`) AS `maxl`, MIN(`p`) AS `minp`, MAX(`f`) AS `maxf`, MIN(`r`) AS `minr`, MAX(`n`) AS `maxn`, MIN(`ts`) AS `mints`, MAX(`t`) AS `maxt`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
