-- One row for each element; NULL and empty arrays have none.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `price` DECIMAL(20, 8), `size` DOUBLE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, e.`price`, e.`size` FROM vals CROSS JOIN UNNEST(`u`) AS e (`price`, `size`);
