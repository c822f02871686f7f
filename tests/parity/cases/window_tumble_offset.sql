-- @input trades
-- TUMBLE with an offset, and windows of a length that does not divide the day.
CREATE TABLE lake.t.answer (`window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*)
FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '7' MINUTE, INTERVAL '90' SECOND)) GROUP BY `window_start`, `window_end`;
