-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `b` BOOLEAN, `t` TINYINT, `s` SMALLINT, `i` INT, `l` BIGINT, `r` FLOAT, `f` DOUBLE, `p` DECIMAL(20, 8),
  `v` DECIMAL(24, 8), `w` DECIMAL(38, 16), `n` DECIMAL(5, 2), `c` STRING, `d` STRING, `at` BIGINT, `a` ARRAY<INT>,
  `o` ROW<`x` INT, `y` STRING, `z` ROW<`q` DECIMAL(10, 3)>>, `u` ARRAY<ROW<`price` DECIMAL(20, 8), `size` DOUBLE>>
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT * FROM vals WHERE `id` <> 4;
