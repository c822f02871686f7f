-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `dash` STRING, `by` STRING, `skips` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CONCAT_WS('-', `c`, `d`, `c`) AS `dash`, CONCAT_WS(`d`, 'a', 'b') AS `by`, CONCAT_WS(',', CAST(NULL AS STRING), 'x', '') AS `skips`
FROM vals;
