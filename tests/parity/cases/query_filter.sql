-- WHERE drops FALSE and NULL alike.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `i` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `i` FROM vals WHERE `i` > 0 AND (`b` OR `c` <> 'abc');
