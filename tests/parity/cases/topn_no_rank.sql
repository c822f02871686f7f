-- Without the rank, keyed by what is unique. Paimon refuses the operator that Flink would put before a sink with another key than the query's.
-- @input keyed
SET 'table.exec.sink.upsert-materialize' = 'NONE';
CREATE TABLE lake.t.answer (
  `id` BIGINT, `k` STRING, `i` INT, PRIMARY KEY (`id`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `id`, `k`, `i` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `k` ORDER BY `p` DESC, `id`) AS `rank` FROM ticks) AS r WHERE `rank` <= 2;
