-- @input keyed
-- @approximate stddev_pop stddev_samp var_pop var_samp
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `stddev_pop` DOUBLE, `stddev_samp` DOUBLE, `var_pop` DOUBLE, `var_samp` DOUBLE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, STDDEV_POP(`f`) AS `stddev_pop`, STDDEV_SAMP(`f`) AS `stddev_samp`, VAR_POP(`f`) AS `var_pop`, VAR_SAMP(`f`) AS `var_samp`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
