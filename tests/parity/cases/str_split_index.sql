-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `first` STRING, `third` STRING, `word` STRING, `by` STRING, `negative` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, SPLIT_INDEX(`c`, ',', 0) AS `first`, SPLIT_INDEX(`c`, ',', 2) AS `third`, SPLIT_INDEX(`c`, ' ', 1) AS `word`, SPLIT_INDEX(`c`, `d`, 1) AS `by`, SPLIT_INDEX(`c`, ',', -1) AS `negative`
FROM vals;
