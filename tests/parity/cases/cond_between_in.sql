-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `inside` BOOLEAN, `outside` BOOLEAN, `listed` BOOLEAN, `unknown` BOOLEAN, `decimals` BOOLEAN, `symmetric` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `i` BETWEEN 1 AND 10 AS `inside`, `n` NOT BETWEEN -3 AND 3 AS `outside`, `i` IN (7, 10, -1) AS `listed`, `i` NOT IN (7, CAST(NULL AS INT)) AS `unknown`, `p` IN (1.5, 0.1) AS `decimals`, `i` BETWEEN SYMMETRIC 10 AND 1 AS `symmetric`
FROM vals;
