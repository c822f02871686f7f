-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT, `c` STRING, `p` DECIMAL(20, 8), `sign` STRING, `mixed` DECIMAL(20, 8), `word` STRING,
  `wide` DECIMAL(11, 1)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, NULLIF(`i`, 7) AS `i`, NULLIF(`c`, '') AS `c`, NULLIF(`p`, `n`) AS `p`, IF(`i` > 0, 'plus', 'other') AS `sign`, IF(`b`, `p`, `i`) AS `mixed`, IFNULL(`c`, 'none') AS `word`, IFNULL(`i`, 1.5) AS `wide`
FROM vals;
