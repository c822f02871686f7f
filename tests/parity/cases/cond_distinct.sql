-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `seven` BOOLEAN, `same` BOOLEAN, `none` BOOLEAN, `some` BOOLEAN, `il` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `i` IS DISTINCT FROM 7 AS `seven`, `c` IS NOT DISTINCT FROM `d` AS `same`, `p` IS NULL AS `none`, `c` IS NOT NULL AS `some`, `i` IS DISTINCT FROM `l` AS `il`
FROM vals;
