-- An object or array where the column is STRING: its JSON, written again without blanks.
-- @input json_text
CREATE TABLE lake.t.answer (`id` BIGINT, `c` STRING) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `c` FROM json_text;
