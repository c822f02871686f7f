-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `pair` ARRAY<INT>, `second` INT, `row` ROW<`EXPR$0` INT, `EXPR$1` STRING>, `has` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, ARRAY[`i`, 1] AS `pair`, ARRAY[`i`, 1][2] AS `second`, ROW(`i`, `c`) AS `row`, ARRAY_CONTAINS(`a`, 3) AS `has`
FROM vals
WHERE `a` IS NOT NULL AND `id` <> 5;
