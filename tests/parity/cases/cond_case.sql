-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `word` STRING, `of` INT, `mixed` DECIMAL(20, 8), `maybe` DECIMAL(5, 2), `wide` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CASE WHEN `i` > 5 THEN 'big' WHEN `i` > 0 THEN 'small' ELSE 'none' END AS `word`, CASE `d` WHEN 'b' THEN 1 WHEN 'o' THEN 2 END AS `of`, CASE WHEN `p` > 1 THEN `p` ELSE `i` END AS `mixed`, CASE WHEN `b` THEN `n` END AS `maybe`, CASE WHEN `i` IS NULL THEN -1 WHEN `b` THEN `i` ELSE `l` END AS `wide`
FROM vals;
