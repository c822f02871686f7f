-- Currency conversion.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `bidder` BIGINT, `price` DECIMAL(24, 3), `dateTime` TIMESTAMP_LTZ(3), `extra` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `auction`, `bidder`, 0.908 * `price` AS `price`, `dateTime`, `extra` FROM bid;
