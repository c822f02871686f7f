-- @input bad
-- @fails Unknown pattern letter|Unsupported|Unable to
CREATE TABLE lake.t.answer (`id` BIGINT, `v` STRING) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`id`, 3), 'yyyy bogus') AS `v` FROM bad;
