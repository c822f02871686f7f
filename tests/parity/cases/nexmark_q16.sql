-- Channels of a day.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `channel` STRING, `day` STRING, `minute` STRING, `total_bids` BIGINT, `rank1_bids` BIGINT, `rank3_bids` BIGINT,
  `total_bidders` BIGINT, `rank3_auctions` BIGINT, PRIMARY KEY (`channel`, `day`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.t.answer
SELECT `channel`, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd') AS `day`, MAX(DATE_FORMAT(`dateTime`, 'HH:mm')) AS `minute`, COUNT(*) AS `total_bids`, COUNT(*) FILTER (WHERE `price` < 10000) AS `rank1_bids`, COUNT(*) FILTER (WHERE `price` >= 1000000) AS `rank3_bids`, COUNT(DISTINCT `bidder`) AS `total_bidders`, COUNT(DISTINCT `auction`) FILTER (WHERE `price` >= 1000000) AS `rank3_auctions` FROM bid GROUP BY `channel`, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd');
