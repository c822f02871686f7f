-- NULLIF keeps zero away: division by zero fails the job.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `pv` DECIMAL(38, 18), `pi` DECIMAL(31, 19), `ip` DECIMAL(38, 20), `ww` DECIMAL(38, 6), `n3` DECIMAL(16, 13),
  `fn` DOUBLE, `one` DECIMAL(13, 12)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `p` / NULLIF(`v`, 0) AS `pv`, `p` / NULLIF(`i`, 0) AS `pi`, `i` / NULLIF(`p`, 0) AS `ip`, `w` / NULLIF(`w`, 0) AS `ww`, `n` / 3 AS `n3`, `f` / NULLIF(`n`, 0) AS `fn`, 1.0 / NULLIF(`i`, 0) AS `one`
FROM vals;
