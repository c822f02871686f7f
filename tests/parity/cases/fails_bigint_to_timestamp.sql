-- @input bad
-- @fails not allowed
CREATE TABLE lake.t.answer (`id` BIGINT, `v` TIMESTAMP(3)) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, CAST(`id` AS TIMESTAMP(3)) AS `v` FROM bad;
