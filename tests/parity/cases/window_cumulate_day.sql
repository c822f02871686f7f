-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `p` DECIMAL(38, 8)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, `window_end`, COUNT(*) AS `n`, SUM(`p`) AS `p` FROM TABLE(CUMULATE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '6' HOUR, INTERVAL '1' DAY)) GROUP BY `k`, `window_start`, `window_end`;
