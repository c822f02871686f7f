-- @input bad
-- @fails by zero
CREATE TABLE lake.t.answer (`id` BIGINT, `v` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, 10 / `zero` AS `v` FROM bad;
