-- @input bad
-- @fails Cannot apply
CREATE TABLE lake.t.answer (`id` BIGINT, `v` STRING) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `text` || `id` AS `v` FROM bad;
