-- No key: one row, here under a constant.
-- @input keyed
CREATE TABLE lake.t.answer (
  `id` INT, `n` BIGINT, `sp` DECIMAL(38, 8), PRIMARY KEY (`id`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT 1 AS `id`, COUNT(*) AS `n`, SUM(`p`) AS `sp` FROM ticks;
