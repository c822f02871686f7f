-- @input bad
-- @fails Cannot apply 'SUM'
CREATE TABLE lake.t.answer (`id` BIGINT, `v` STRING) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, SUM(`text`) AS `v` FROM bad;
