-- The three largest of a key, with their rank in the key.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `rank` BIGINT, `id` BIGINT, `i` INT, PRIMARY KEY (`k`, `rank`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `k`, `rank`, `id`, `i` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `i` DESC, `id`) AS `rank` FROM (SELECT COALESCE(`k`, '-') AS `k`, `id`, `i`, `ts` FROM ticks) AS t) AS r WHERE `rank` <= 3;
