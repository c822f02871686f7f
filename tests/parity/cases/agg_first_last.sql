-- By arrival, NULLs skipped.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `first` BIGINT, `last` BIGINT, `firstc` STRING, `lasti` INT, `firstp` DECIMAL(20, 8)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, FIRST_VALUE(`id`) AS `first`, LAST_VALUE(`id`) AS `last`, FIRST_VALUE(`c`) AS `firstc`, LAST_VALUE(`i`) AS `lasti`, FIRST_VALUE(`p`) AS `firstp`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
