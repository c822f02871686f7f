-- Of an integer an integer, of a DECIMAL a DECIMAL.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `stddev_pop` INT, `stddev_samp` INT, `var_pop` TINYINT, `var_samp` SMALLINT,
  `pop_p` DECIMAL(38, 8), `samp_n` DECIMAL(38, 6), `stddev_n` DECIMAL(38, 6)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, STDDEV_POP(`i`) AS `stddev_pop`, STDDEV_SAMP(`i`) AS `stddev_samp`, VAR_POP(`t`) AS `var_pop`, VAR_SAMP(`s`) AS `var_samp`, STDDEV_POP(`p`) AS `pop_p`, VAR_SAMP(`n`) AS `samp_n`, STDDEV_SAMP(`n`) AS `stddev_n`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
