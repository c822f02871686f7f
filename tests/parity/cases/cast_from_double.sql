-- Saturates into integers; into DECIMAL by the shortest decimal text, NULL if too large.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `fi` INT, `fl` BIGINT, `ri` INT, `fp` DECIMAL(20, 8), `rp` DECIMAL(20, 10), `fs` SMALLINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`f` AS INT) AS `fi`, CAST(`f` AS BIGINT) AS `fl`, CAST(`r` AS INT) AS `ri`, CAST(`f` AS DECIMAL(20, 8)) AS `fp`, CAST(`r` AS DECIMAL(20, 10)) AS `rp`, CAST(`f` AS SMALLINT) AS `fs`
FROM vals;
