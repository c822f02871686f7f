-- INSERT INTO (columns): the others are NULL.
-- @input values
CREATE TABLE lake.t.answer (`a` STRING, `id` BIGINT, `b` INT) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer (`b`, `id`) SELECT `i`, `id` FROM vals;
