-- No row left: COUNT 0, others NULL.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `positive` BIGINT, `sp` DECIMAL(38, 8), `mc` STRING, `af` DOUBLE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, COUNT(*) FILTER (WHERE `i` > 0) AS `positive`, SUM(`p`) FILTER (WHERE `b`) AS `sp`, MAX(`c`) FILTER (WHERE `i` > 45) AS `mc`, AVG(`f`) FILTER (WHERE `k` = 'a') AS `af`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
