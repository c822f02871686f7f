-- SELECT DISTINCT within windows.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT DISTINCT `k`, `window_start`, `window_end` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE));
