-- Dead in hoga: what is too large for its type, of another type, or no JSON object (Flink: NULL, or the record dropped).
-- @input oddities
-- @dead 6 7 8 9 10 12 13 16 17 18 19 21 27 +7
CREATE TABLE lake.t.answer (
  `id` BIGINT, `b` BOOLEAN, `i` INT, `l` BIGINT, `f` DOUBLE, `p` DECIMAL(20, 8), `n` DECIMAL(5, 2), `c` STRING, `a` ARRAY<INT>,
  `o` ROW<`x` INT, `y` STRING>
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `b`, `i`, `l`, `f`, `p`, `n`, `c`, `a`, `o` FROM oddities;
