-- @input bad
-- @fails For input string: 'x'|1
CREATE TABLE lake.t.answer (`id` BIGINT, `v` DATE) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, CAST(`text` AS DATE) AS `v` FROM bad;
