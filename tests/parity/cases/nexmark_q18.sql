-- The last bid of a bidder on an auction.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `bidder` BIGINT, `price` BIGINT, `channel` STRING, `url` STRING, `dateTime` TIMESTAMP_LTZ(3), `extra` STRING,
  PRIMARY KEY (`bidder`, `auction`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `auction`, `bidder`, `price`, `channel`, `url`, `dateTime`, `extra` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY `bidder`, `auction` ORDER BY `dateTime` DESC) AS `rank_number` FROM bid) AS r WHERE `rank_number` <= 1;
