-- The same topic twice, with other columns.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `text` STRING, `from` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `c` AS `text`, 'c' AS `from` FROM vals WHERE `c` IS NOT NULL UNION ALL SELECT `id`, `d`, 'd' FROM vals WHERE `d` IS NOT NULL;
