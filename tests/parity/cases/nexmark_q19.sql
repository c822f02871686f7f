-- The ten best bids of an auction.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `bidder` BIGINT, `price` BIGINT, `channel` STRING, `url` STRING, `dateTime` TIMESTAMP_LTZ(3), `extra` STRING,
  `rank_number` BIGINT, PRIMARY KEY (`auction`, `rank_number`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `auction` ORDER BY `price` DESC) AS `rank_number` FROM bid) AS r WHERE `rank_number` <= 10;
