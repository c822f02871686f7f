-- @input bad
-- @fails For input string: 'x'
CREATE TABLE lake.t.answer (`id` BIGINT, `v` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, CAST(`text` AS INT) AS `v` FROM bad;
