-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `position` INT, `locate` INT, `locate3` INT, `instr` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, POSITION(`d` IN `c`) AS `position`, LOCATE(`d`, `c`) AS `locate`, LOCATE(`d`, `c`, 3) AS `locate3`, INSTR(`c`, `d`) AS `instr`
FROM vals;
