-- @input bad
-- @fails implicit type conversion|Cannot apply
CREATE TABLE lake.t.answer (`id` BIGINT, `v` BOOLEAN) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `text` = `id` AS `v` FROM bad;
