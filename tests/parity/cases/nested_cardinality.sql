-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `a` INT, `u` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CARDINALITY(`a`) AS `a`, CARDINALITY(`u`) AS `u`
FROM vals;
