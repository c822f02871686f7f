-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
WITH `small` AS (SELECT `id`, `i` FROM vals WHERE `i` BETWEEN -1000 AND 1000), `more` AS (SELECT `id`, `i` + 1 AS `i` FROM `small`) SELECT `id`, `i` FROM `more` WHERE `i` <> 0;
