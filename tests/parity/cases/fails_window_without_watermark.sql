-- @input bad
-- @fails time attribute
CREATE TABLE lake.t.answer (`n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE bad, DESCRIPTOR(`id`), INTERVAL '1' MINUTE)) GROUP BY `window_start`, `window_end`;
