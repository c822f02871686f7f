-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `p` DOUBLE, `l` DOUBLE, `r` DOUBLE, `f` FLOAT, `w` FLOAT, `b` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`p` AS DOUBLE) AS `p`, CAST(`l` AS DOUBLE) AS `l`, CAST(`r` AS DOUBLE) AS `r`, CAST(`f` AS FLOAT) AS `f`, CAST(`w` AS FLOAT) AS `w`, CAST(`b` AS INT) AS `b`
FROM vals;
