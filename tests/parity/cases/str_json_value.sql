-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `a` STRING, `c` STRING, `bad` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, JSON_VALUE('{"a": ' || CAST(`i` AS STRING) || ', "b": {"c": "x"}, "d": [1, 2]}', '$.a') AS `a`, JSON_VALUE('{"b": {"c": "' || `d` || '"}}', '$.b.c') AS `c`, JSON_VALUE(`c`, '$.a') AS `bad`
FROM vals;
