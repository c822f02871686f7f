-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `in` BOOLEAN, `li` BOOLEAN, `fp` BOOLEAN, `pv` BOOLEAN, `seven` BOOLEAN, `f15` BOOLEAN, `n25` BOOLEAN,
  `r01` BOOLEAN, `rf` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `i` > `n` AS `in`, `l` = `i` AS `li`, `f` = `p` AS `fp`, `p` <= `v` AS `pv`, `i` <> 7 AS `seven`, `f` > 1.5 AS `f15`, `n` = -2.5 AS `n25`, `r` = 0.1 AS `r01`, `r` < `f` AS `rf`
FROM vals;
