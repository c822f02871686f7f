-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `replaced` STRING, `removed` STRING, `nothing` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, REPLACE(`c`, `d`, '<>') AS `replaced`, REPLACE(`c`, 'a', '') AS `removed`, REPLACE(`c`, '', 'z') AS `nothing`
FROM vals;
