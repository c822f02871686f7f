-- Without json.ignore-parse-errors a record that is no JSON fails the job; in hoga it is a dead letter.
-- @input strict
-- @fails Fail to deserialize|deserialize
CREATE TABLE lake.t.answer (`id` BIGINT, `i` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `i` FROM strict;
