-- Letters: case by Unicode, INITCAP by blanks and signs.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `up` STRING, `low` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, UPPER(`c`) AS `up`, LOWER(`c`) AS `low`
FROM vals;
