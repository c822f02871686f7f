-- @input bad
-- @fails Cannot parse
CREATE TABLE lake.t.answer (`id` BIGINT, `v` BOOLEAN) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, CAST(`text` AS BOOLEAN) AS `v` FROM bad;
