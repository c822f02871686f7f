-- Code points, not bytes.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `chars` INT, `characters` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, CHAR_LENGTH(`c`) AS `chars`, CHARACTER_LENGTH(`d`) AS `characters`
FROM vals;
