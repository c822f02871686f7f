-- Positions from 1; 0 counts as 1; negative ones from the end.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `mid` STRING, `rest` STRING, `zero` STRING, `last` STRING, `computed` STRING, `none` STRING, `negative` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, SUBSTRING(`c` FROM 2 FOR 3) AS `mid`, SUBSTRING(`c` FROM 2) AS `rest`, SUBSTRING(`c` FROM 0 FOR 2) AS `zero`, SUBSTRING(`c` FROM -3) AS `last`, SUBSTRING(`c`, `i`, 2) AS `computed`, SUBSTR(`c`, 1, 0) AS `none`, SUBSTRING(`c`, 2, -1) AS `negative`
FROM vals;
