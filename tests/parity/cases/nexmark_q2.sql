-- Selection.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `price` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `auction`, `price` FROM bid WHERE MOD(`auction`, 123) = 0;
