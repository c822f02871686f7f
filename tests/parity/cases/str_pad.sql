-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `lpad` STRING, `rpad` STRING, `zeros` STRING, `zero` STRING, `negative` STRING, `empty` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, LPAD(`c`, 5, 'xy') AS `lpad`, RPAD(`c`, 5, `d`) AS `rpad`, LPAD(CAST(`i` AS STRING), 12, '0') AS `zeros`, LPAD(`c`, 0, 'x') AS `zero`, RPAD(`c`, -1, 'x') AS `negative`, LPAD(`c`, 30, '') AS `empty`
FROM vals;
