-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `n` INT, `c` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, e.`n`, `c` FROM vals CROSS JOIN UNNEST(`a`) AS e (`n`) WHERE `id` <> 2;
