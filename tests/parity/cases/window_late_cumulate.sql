-- @input trades
CREATE TABLE lake.t.answer (
  `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `volume` DECIMAL(38, 8)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*) AS `n`, SUM(`volume`) AS `volume` FROM TABLE(CUMULATE(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '30' SECOND, INTERVAL '4' MINUTE)) GROUP BY `window_start`, `window_end`;
