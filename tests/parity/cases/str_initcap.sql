-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `initcap` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, INITCAP(`c`) AS `initcap`
FROM vals;
