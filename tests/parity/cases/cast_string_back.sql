-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT, `l` BIGINT, `p` DECIMAL(20, 8), `f` DOUBLE, `cut` INT, `blanks` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(CAST(`i` AS STRING) AS INT) AS `i`, CAST(CAST(`l` AS STRING) AS BIGINT) AS `l`, CAST(CAST(`p` AS STRING) AS DECIMAL(20, 8)) AS `p`, CAST(CAST(`f` AS STRING) AS DOUBLE) AS `f`, CAST(CAST(`p` AS STRING) AS INT) AS `cut`, CAST(' ' || CAST(`i` AS STRING) || ' ' AS INT) AS `blanks`
FROM vals
WHERE ABS(`p`) < 1000;
