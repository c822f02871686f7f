-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `begins` BOOLEAN, `has` BOOLEAN, `three` BOOLEAN, `without` BOOLEAN, `escaped` BOOLEAN, `backslash` BOOLEAN,
  `empty` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `c` LIKE 'a%' AS `begins`, `c` LIKE '%b%' AS `has`, `c` LIKE '___' AS `three`, `c` NOT LIKE '%a%' AS `without`, `c` LIKE '%!%!_%' ESCAPE '!' AS `escaped`, `c` LIKE '%\_%' AS `backslash`, `d` LIKE '' AS `empty`
FROM vals;
