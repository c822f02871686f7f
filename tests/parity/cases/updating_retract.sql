-- Every aggregate over a query that updates its rows: what is taken back must be gone from each of them. Keys come and go as counts grow.
-- @input keyed
CREATE TABLE lake.t.answer (
  `n` BIGINT, `groups` BIGINT, `sum` BIGINT, `avg` DOUBLE, `least` STRING, `most` STRING, `low` DECIMAL(38, 8), `kinds` BIGINT, `different` BIGINT, `some` BIGINT,
  `first` STRING, `last` STRING, `list` STRING, `deviation` DOUBLE, PRIMARY KEY (`n`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `n`, COUNT(*), SUM(`id`), AVG(CAST(`id` AS DOUBLE)), MIN(`c`), MAX(`c`), MIN(`p`), COUNT(DISTINCT `c`), SUM(DISTINCT `id`), COUNT(*) FILTER (WHERE `id` > 40),
  FIRST_VALUE(`c`), LAST_VALUE(`c`), LISTAGG(`c`, '/'), STDDEV_POP(CAST(`n` AS DOUBLE))
FROM (SELECT `k`, `c`, COUNT(*) AS `n`, MAX(`id`) AS `id`, SUM(`p`) AS `p` FROM ticks GROUP BY `k`, `c`) AS g GROUP BY `n`;
