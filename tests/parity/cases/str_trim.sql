-- Blanks only; BOTH, LEADING, TRAILING take a set of characters.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `both` STRING, `lead` STRING, `trail` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TRIM(`c`) AS `both`, LTRIM(`c`) AS `lead`, RTRIM(`c`) AS `trail`
FROM vals;
