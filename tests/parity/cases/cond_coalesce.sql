-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT, `np` DECIMAL(20, 8), `c` STRING, `b` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, COALESCE(`i`, -1) AS `i`, COALESCE(`n`, `p`, 0) AS `np`, COALESCE(`c`, `d`, 'none') AS `c`, COALESCE(`b`, FALSE) AS `b`
FROM vals;
