-- Calculation: CASE over the hour, a product, a count of letters.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `bidder` BIGINT, `price` DECIMAL(24, 3), `bidTimeType` STRING, `dateTime` TIMESTAMP_LTZ(3), `extra` STRING,
  `c_counts` INT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `auction`, `bidder`, 0.908 * `price` AS `price`, CASE WHEN HOUR(`dateTime`) >= 8 AND HOUR(`dateTime`) <= 18 THEN 'dayTime' WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'nightTime' ELSE 'otherTime' END AS `bidTimeType`, `dateTime`, `extra`, CHAR_LENGTH(`extra`) - CHAR_LENGTH(REPLACE(`extra`, 'c', '')) AS `c_counts` FROM bid WHERE 0.908 * `price` > 1000000 AND 0.908 * `price` < 50000000;
