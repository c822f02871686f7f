-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `ascii` INT, `chr` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, ASCII(`c`) AS `ascii`, CHR(CAST(`t` AS INT) + 60) AS `chr`
FROM vals;
