-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` BOOLEAN, `l` BOOLEAN, `c` BOOLEAN, `letter` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`i` AS BOOLEAN) AS `i`, CAST(`l` AS BOOLEAN) AS `l`, TRY_CAST(`c` AS BOOLEAN) AS `c`, TRY_CAST(SUBSTRING('tfyn01', CAST(`id` AS INT), 1) AS BOOLEAN) AS `letter`
FROM vals;
