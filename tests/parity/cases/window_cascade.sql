-- Ten seconds into one minute into five, by window_time.
-- @input keyed
CREATE TEMPORARY VIEW ten AS SELECT `k`, `window_time` AS `rt`, COUNT(*) AS `n`, SUM(`p`) AS `p` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '10' SECOND)) GROUP BY `k`, `window_start`, `window_end`, `window_time`;
CREATE TEMPORARY VIEW sixty AS SELECT `k`, `window_time` AS `rt`, SUM(`n`) AS `n`, SUM(`p`) AS `p`, COUNT(*) AS `tens` FROM TABLE(TUMBLE(TABLE ten, DESCRIPTOR(`rt`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`, `window_time`;
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `p` DECIMAL(38, 8), `tens` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, `window_end`, SUM(`n`) AS `n`, SUM(`p`) AS `p`, SUM(`tens`) AS `tens` FROM TABLE(TUMBLE(TABLE sixty, DESCRIPTOR(`rt`), INTERVAL '5' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
