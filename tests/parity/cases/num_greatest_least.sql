-- NULL if any argument is NULL.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `il` BIGINT, `lil` BIGINT, `pn` DECIMAL(20, 8), `piv` DECIMAL(24, 8), `fi` DOUBLE, `cd` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, GREATEST(`i`, `l`) AS `il`, LEAST(`i`, `l`) AS `lil`, GREATEST(`p`, `n`) AS `pn`, LEAST(COALESCE(`p`, 0), COALESCE(`i`, 1), COALESCE(`v`, 2)) AS `piv`, GREATEST(`f`, `i`) AS `fi`, GREATEST(`c`, `d`) AS `cd`
FROM vals;
