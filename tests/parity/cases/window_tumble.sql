-- GROUP BY over TUMBLE, TIMESTAMP_LTZ rowtime, two late ones, a market that is NULL.
-- @input trades
CREATE TABLE lake.t.answer (
  `market` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `window_time` TIMESTAMP_LTZ(3),
  `n` BIGINT, `prices` BIGINT, `lowest` DECIMAL(20, 8), `highest` DECIMAL(20, 8), `volume` DECIMAL(38, 8), `mean` DECIMAL(38, 8)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `market`, `window_start`, `window_end`, `window_time`, COUNT(*), COUNT(`price`), MIN(`price`), MAX(`price`), SUM(`volume`), AVG(`price`)
FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE))
GROUP BY `market`, `window_start`, `window_end`, `window_time`;
