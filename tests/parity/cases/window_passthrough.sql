-- A window function without GROUP BY gives every row its windows.
-- @input keyed
CREATE TABLE lake.t.answer (
  `id` BIGINT, `k` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `window_time` TIMESTAMP_LTZ(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `k`, `window_start`, `window_end`, `window_time` FROM TABLE(HOP(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '30' SECOND, INTERVAL '1' MINUTE));
