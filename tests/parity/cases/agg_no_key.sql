-- One row a window, none for empty windows.
-- @input keyed
CREATE TABLE lake.t.answer (
  `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `sp` DECIMAL(38, 8)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*) AS `n`, SUM(`p`) AS `sp` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '10' SECOND)) GROUP BY `window_start`, `window_end`;
