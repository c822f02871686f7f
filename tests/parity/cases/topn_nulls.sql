-- Where NULL sorts: ascending and descending.
-- @input keyed
CREATE TABLE lake.t.answer (
  `rank` BIGINT, `id` BIGINT, `i` INT, PRIMARY KEY (`rank`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `rank`, `id`, `i` FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY `i` ASC, `id`) AS `rank` FROM ticks) AS r WHERE `rank` <= 12;
