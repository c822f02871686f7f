-- Filter before the window by a view, and after it by a subquery.
-- @input keyed
CREATE TEMPORARY VIEW positive AS SELECT `k`, `ts`, `p` * 2 AS `twice` FROM ticks WHERE `i` > 0;
CREATE TABLE lake.t.answer (
  `key` STRING, `total` DECIMAL(38, 8), `n` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `key`, `total`, `n` FROM (SELECT `k` AS `key`, `window_start`, SUM(`twice`) AS `total`, COUNT(*) AS `n` FROM TABLE(TUMBLE(TABLE positive, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`) AS w WHERE `n` > 1;
