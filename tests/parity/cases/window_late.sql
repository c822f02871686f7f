-- Some records are minutes late: what their windows lose, by kind of window.
-- @input trades
CREATE TABLE lake.t.answer (
  `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `volume` DECIMAL(38, 8)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*) AS `n`, SUM(`volume`) AS `volume` FROM TABLE(HOP(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '30' SECOND, INTERVAL '2' MINUTE)) GROUP BY `window_start`, `window_end`;
