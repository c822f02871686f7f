-- @input bad
-- @fails No match found for function signature
CREATE TABLE lake.t.answer (`id` BIGINT, `v` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, NO_SUCH_FUNCTION(`id`) AS `v` FROM bad;
