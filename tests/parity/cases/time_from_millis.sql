-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `ms` TIMESTAMP_LTZ(3), `s` TIMESTAMP_LTZ(3), `l` TIMESTAMP_LTZ(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TO_TIMESTAMP_LTZ(`at`, 3) AS `ms`, TO_TIMESTAMP_LTZ(`i`, 0) AS `s`, TO_TIMESTAMP_LTZ(`l`, 3) AS `l`
FROM vals;
