-- @input bad
-- @fails Incompatible types|do not match
CREATE TABLE lake.t.answer (`id` BIGINT, `v` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `text` AS `v` FROM bad;
