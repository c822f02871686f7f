-- @input bad
-- @fails do not match|Different number of columns
CREATE TABLE lake.t.answer (`id` BIGINT, `v` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id` FROM bad;
