-- Integers are cut, DECIMAL has at least 6 digits.
-- @input keyed
CREATE TABLE lake.t.answer (
  `k` STRING, `window_start` TIMESTAMP(3), `at` TINYINT, `as` SMALLINT, `ai` INT, `al` BIGINT, `ap` DECIMAL(38, 8),
  `an` DECIMAL(38, 6)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `k`, `window_start`, AVG(`t`) AS `at`, AVG(`s`) AS `as`, AVG(`i`) AS `ai`, AVG(`l`) AS `al`, AVG(`p`) AS `ap`, AVG(`n`) AS `an`
FROM TABLE(TUMBLE(TABLE ticks, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE)) GROUP BY `k`, `window_start`, `window_end`;
