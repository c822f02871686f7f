-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `b` STRING, `t` STRING, `l` STRING, `p` STRING, `w` STRING, `n` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CAST(`b` AS STRING) AS `b`, CAST(`t` AS STRING) AS `t`, CAST(`l` AS STRING) AS `l`, CAST(`p` AS STRING) AS `p`, CAST(`w` AS STRING) AS `w`, CAST(`n` AS STRING) AS `n`
FROM vals;
