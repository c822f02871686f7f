-- One session for all keys.
-- @input keyed
CREATE TABLE lake.t.answer (
  `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `window_start`, `window_end`, COUNT(*) AS `n` FROM TABLE(SESSION(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '20' SECOND)) GROUP BY `window_start`, `window_end`;
