-- Domain errors give NaN and Infinity.
-- @approximate power sqrt ln log10 exp log2 logb
-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `power` DOUBLE, `sqrt` DOUBLE, `ln` DOUBLE, `log10` DOUBLE, `exp` DOUBLE, `log2` DOUBLE, `logb` DOUBLE
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, POWER(`f`, 2) AS `power`, SQRT(`p`) AS `sqrt`, LN(`f`) AS `ln`, LOG10(`i`) AS `log10`, EXP(`n`) AS `exp`, LOG2(`l`) AS `log2`, LOG(2, `p`) AS `logb`
FROM vals;
