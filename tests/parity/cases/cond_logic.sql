-- Three values.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `both` BOOLEAN, `any` BOOLEAN, `not` BOOLEAN, `true` BOOLEAN, `notfalse` BOOLEAN, `unknown` BOOLEAN, `same` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `b` AND `i` > 0 AS `both`, `b` OR `i` > 0 AS `any`, NOT `b` AS `not`, `b` IS TRUE AS `true`, `b` IS NOT FALSE AS `notfalse`, `b` IS UNKNOWN AS `unknown`, `b` = (`i` > 0) AS `same`
FROM vals;
