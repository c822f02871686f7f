-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `twice` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `x`.`id`, `x`.`twice` FROM (SELECT `id`, `i` * 2 AS `twice` FROM vals WHERE `i` BETWEEN -1000 AND 1000) AS `x` WHERE `x`.`twice` > 0;
