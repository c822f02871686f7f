-- @input trades
CREATE TABLE lake.t.answer (`market` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `market`, `window_start`, `window_end`, COUNT(*)
FROM TABLE(SESSION(TABLE trades PARTITION BY `market`, DESCRIPTOR(`ts`), INTERVAL '12' SECOND))
GROUP BY `market`, `window_start`, `window_end`;
