-- In DOUBLE: Infinity and NaN, as a column (a constant 1e0 / 0e0 fails).
-- @input bad
CREATE TABLE lake.t.answer (`id` BIGINT, `v` DOUBLE, `w` DOUBLE, `n` DOUBLE) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, 1e0 / `fzero`, -1 / `fzero`, (`fzero` - `fzero`) / (`fzero` - `fzero`) FROM bad;
