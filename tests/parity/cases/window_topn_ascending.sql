-- Where NULL sorts, ascending.
-- @input keyed
CREATE TABLE lake.t.answer (
  `id` BIGINT, `k` STRING, `i` INT, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `rank` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT * FROM (SELECT `id`, `k`, `i`, `window_start`, `window_end`, ROW_NUMBER() OVER (PARTITION BY `k`, `window_start`, `window_end` ORDER BY `i`, `id` DESC) AS `rank` FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '2' MINUTE))) AS r WHERE `rank` <= 3;
