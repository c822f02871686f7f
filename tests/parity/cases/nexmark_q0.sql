-- Pass through.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `bidder` BIGINT, `price` BIGINT, `dateTime` TIMESTAMP_LTZ(3), `extra` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `auction`, `bidder`, `price`, `dateTime`, `extra` FROM bid;
