-- By UTF-8 bytes; blanks count.
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `less` BOOLEAN, `equal` BOOLEAN, `other` BOOLEAN, `inside` BOOLEAN, `listed` BOOLEAN, `hangul` BOOLEAN
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `c` < `d` AS `less`, `c` = 'abc' AS `equal`, `c` <> `d` AS `other`, `c` BETWEEN 'a' AND 'z' AS `inside`, `d` IN ('b', ',', '글') AS `listed`, `c` >= '한' AS `hangul`
FROM vals;
