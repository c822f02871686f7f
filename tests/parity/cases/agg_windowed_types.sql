-- Every aggregate's result type, per minute, NULLs among the input.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `n` BIGINT, `ni` BIGINT, `st` TINYINT, `ss` SMALLINT, `si` INT, `sl` BIGINT,
  `sp` DECIMAL(38, 8), `sn` DECIMAL(38, 2)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, COUNT(*) AS `n`, COUNT(`i`) AS `ni`, SUM(`t`) AS `st`, SUM(`s`) AS `ss`, SUM(`i`) AS `si`, SUM(`l`) AS `sl`, SUM(`p`) AS `sp`, SUM(`n`) AS `sn`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
