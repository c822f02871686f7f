-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `amount` DECIMAL(38, 13)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, e.`price` * CAST(e.`size` AS DECIMAL(20, 8)) AS `amount` FROM vals, UNNEST(`u`) AS e (`price`, `size`) WHERE e.`price` > 0;
