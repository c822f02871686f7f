-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `short` STRING, `words` STRING, `quoted` STRING, `rare` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`at`, 3), 'yy M d H m s S') AS `short`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`at`, 3), 'EEE EEEE MMM MMMM a hh h') AS `words`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`at`, 3), '''T''HH:mm ''o''''clock''') AS `quoted`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`at`, 3), 'D k K SSSSSS') AS `rare`
FROM vals
WHERE `id` <> 4;
