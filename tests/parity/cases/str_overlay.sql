-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `two` STRING, `three` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, OVERLAY(`c` PLACING 'XY' FROM 2) AS `two`, OVERLAY(`c` PLACING 'XY' FROM 2 FOR 3) AS `three`
FROM vals;
