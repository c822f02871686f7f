-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `ts` SMALLINT, `si` INT, `il` BIGINT, `tt` TINYINT, `i_s` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `t` + `s` AS `ts`, `s` + `i` AS `si`, `i` + `l` AS `il`, `t` - `t` AS `tt`, `i` - `s` AS `i_s`
FROM vals;
