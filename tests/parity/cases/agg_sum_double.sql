-- Additions in the order of arrival.
-- @input keyed
-- @approximate sf sr af ar
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `sf` DOUBLE, `sr` FLOAT, `af` DOUBLE, `ar` FLOAT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, SUM(`f`) AS `sf`, SUM(`r`) AS `sr`, AVG(`f`) AS `af`, AVG(`r`) AS `ar`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
