-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `starts` BOOLEAN, `ends` BOOLEAN, `translated` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, STARTSWITH(`c`, `d`) AS `starts`, ENDSWITH(`c`, 'c') AS `ends`, TRANSLATE(`c`, 'abx', '123') AS `translated`
FROM vals;
