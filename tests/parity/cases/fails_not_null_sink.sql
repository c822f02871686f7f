-- NULL by overflow into a NOT NULL column.
-- @input bad
-- @fails is NOT NULL, however, a null value is being written
CREATE TABLE lake.t.answer (`id` BIGINT, `v` DECIMAL(5, 2) NOT NULL) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, COALESCE(CAST(`p` AS DECIMAL(5, 2)), CAST(`p` AS DECIMAL(5, 2)), CAST(1000 + `id` AS DECIMAL(5, 2))) AS `v` FROM bad;
