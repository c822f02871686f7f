-- @input bad
-- @fails Illegal mixing of types
CREATE TABLE lake.t.answer (`id` BIGINT, `v` STRING) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, CASE WHEN `zero` > 0 THEN `text` ELSE `id` END AS `v` FROM bad;
