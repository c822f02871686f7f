-- @input bad
-- @fails Column 'nothing' not found
CREATE TABLE lake.t.answer (`id` BIGINT, `v` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `nothing` AS `v` FROM bad;
