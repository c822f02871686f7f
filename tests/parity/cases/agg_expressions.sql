-- Expressions in keys, in arguments and over results.
-- @input keyed
CREATE TABLE lake.t.answer (
  `key` STRING, `positive` BOOLEAN, `window_end` TIMESTAMP(3), `amount` DECIMAL(38, 10), `yes` DECIMAL(38, 8), `hundred` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT UPPER(COALESCE(`k`, 'none')) AS `key`, `i` > 0 AS `positive`, `window_end`, SUM(`p` * `n`) AS `amount`, COALESCE(SUM(CASE WHEN `b` THEN `p` ELSE 0 END), 0) AS `yes`, COUNT(*) * 100 AS `hundred`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY UPPER(COALESCE(`k`, 'none')), `i` > 0, `window_start`, `window_end`;
