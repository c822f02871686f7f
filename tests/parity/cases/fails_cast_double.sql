-- @input bad
-- @fails For input string
CREATE TABLE lake.t.answer (`id` BIGINT, `v` DOUBLE) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, CAST(`text` AS DOUBLE) AS `v` FROM bad;
