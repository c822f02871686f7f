-- A view that has window columns is windowed again.
-- @input keyed
-- @fails ambiguous
CREATE TEMPORARY VIEW ten AS SELECT `window_start`, `window_time`, COUNT(*) AS `n` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '10' SECOND))
GROUP BY `window_start`, `window_end`, `window_time`;
CREATE TABLE lake.t.answer (`at` TIMESTAMP(3), `n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `window_start`, SUM(`n`) FROM TABLE(TUMBLE(TABLE ten, DESCRIPTOR(`window_time`), INTERVAL '1' MINUTE)) GROUP BY `window_start`, `window_end`;
