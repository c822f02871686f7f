-- From 1; outside is NULL.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `first` INT, `third` INT, `price` DECIMAL(20, 8), `size` DOUBLE, `a` ARRAY<INT>,
  `u` ARRAY<ROW<`price` DECIMAL(20, 8), `size` DOUBLE>>
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `a`[1] AS `first`, `a`[3] AS `third`, `u`[1].`price` AS `price`, `u`[2].`size` AS `size`, `a`, `u`
FROM vals;
