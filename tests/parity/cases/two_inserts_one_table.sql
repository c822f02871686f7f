-- Two INSERTs into one append table.
-- @input values
CREATE TABLE lake.t.answer (`id` BIGINT, `text` STRING) WITH ('bucket' = '-1');
EXECUTE STATEMENT SET BEGIN
INSERT INTO lake.t.answer SELECT `id`, `c` FROM vals;
INSERT INTO lake.t.answer SELECT `id`, `d` FROM vals;
END;
