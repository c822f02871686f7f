-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT, `l` BIGINT, `p` DECIMAL(20, 8), `f` DOUBLE, `r` FLOAT, `t` TINYINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, ABS(`i`) AS `i`, ABS(`l`) AS `l`, ABS(`p`) AS `p`, ABS(`f`) AS `f`, ABS(`r`) AS `r`, ABS(`t`) AS `t`
FROM vals;
