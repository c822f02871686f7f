-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `stars` STRING, `groups` STRING, `begins` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, REGEXP_REPLACE(`c`, '[a-z]+', '*') AS `stars`, REGEXP_REPLACE(`c`, '(l+)', '<$1>') AS `groups`, REGEXP(`c`, '^[a-z]') AS `begins`
FROM vals;
