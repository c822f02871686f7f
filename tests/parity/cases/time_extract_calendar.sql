-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `week` BIGINT, `dow` BIGINT, `doy` BIGINT, `q` BIGINT, `epoch` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, EXTRACT(WEEK FROM TO_TIMESTAMP_LTZ(`at`, 3)) AS `week`, EXTRACT(DOW FROM TO_TIMESTAMP_LTZ(`at`, 3)) AS `dow`, EXTRACT(DOY FROM TO_TIMESTAMP_LTZ(`at`, 3)) AS `doy`, EXTRACT(QUARTER FROM TO_TIMESTAMP_LTZ(`at`, 3)) AS `q`, EXTRACT(EPOCH FROM TO_TIMESTAMP_LTZ(`at`, 3)) AS `epoch`
FROM vals;
