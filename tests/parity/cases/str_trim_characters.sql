-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `both` STRING, `lead` STRING, `trail` STRING, `ltrim` STRING, `btrim` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TRIM(BOTH 'xa' FROM `c`) AS `both`, TRIM(LEADING 'x' FROM `c`) AS `lead`, TRIM(TRAILING `d` FROM `c`) AS `trail`, LTRIM(`c`, 'xH') AS `ltrim`, BTRIM(`c`, ' ') AS `btrim`
FROM vals;
