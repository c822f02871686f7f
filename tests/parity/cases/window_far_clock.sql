-- One clock of the year 9999 closes all windows before it: what comes from today is late then, in Flink too.
-- @input far_clock
CREATE TABLE lake.t.answer (`window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `least` BIGINT, `most` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*), MIN(`id`), MAX(`id`)
FROM TABLE(TUMBLE(TABLE clocks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `window_start`, `window_end`;
