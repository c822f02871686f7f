-- Over 38 digits the scale shrinks to no less than 6, and the product is rounded HALF_UP to it.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `pv` DECIMAL(38, 9), `pi` DECIMAL(31, 8), `pn` DECIMAL(26, 10), `ww` DECIMAL(38, 6), `nn` DECIMAL(11, 4),
  `pl` DECIMAL(38, 6), `tenth` DECIMAL(27, 9), `fp` DOUBLE, `rr` FLOAT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `p` * `v` AS `pv`, `p` * `i` AS `pi`, `p` * `n` AS `pn`, `w` * `w` AS `ww`, `n` * `n` AS `nn`, `p` * `l` AS `pl`, `v` * 0.1 AS `tenth`, `f` * `p` AS `fp`, `r` * `r` AS `rr`
FROM vals;
