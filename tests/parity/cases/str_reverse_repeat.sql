-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `reversed` STRING, `thrice` STRING, `never` STRING, `computed` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, REVERSE(`c`) AS `reversed`, REPEAT(`d`, 3) AS `thrice`, REPEAT(`c`, 0) AS `never`, REPEAT(`c`, CAST(`t` AS INT) / 3) AS `computed`
FROM vals;
