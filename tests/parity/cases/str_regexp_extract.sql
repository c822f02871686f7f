-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `second` STRING, `digits` STRING, `bad` STRING, `group` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, REGEXP_EXTRACT(`c`, '([a-z]+)([^a-z]+)', 2) AS `second`, REGEXP_EXTRACT(`c`, '[0-9]+') AS `digits`, REGEXP_EXTRACT(`c`, '(x', 1) AS `bad`, REGEXP_EXTRACT(`c`, 'b', 3) AS `group`
FROM vals;
