-- A day of an instant begins at midnight of the session's time zone.
-- @input trades
CREATE TABLE lake.t.answer (`window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*) FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '1' DAY)) GROUP BY `window_start`, `window_end`;
