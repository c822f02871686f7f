-- Turnover with all its digits: narrowed so that 38 are enough.
-- @input values
-- @dead 4
CREATE TABLE lake.t.answer (
  `id` BIGINT, `turnover` DECIMAL(38, 16)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CASE WHEN `v` < 1000000000 THEN `p` * CAST(`v` AS DECIMAL(17, 8)) ELSE CAST(`p` AS DECIMAL(13, 8)) * `v` END AS `turnover`
FROM vals;
