-- Bids of a user per session.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `bidder` BIGINT, `bid_count` BIGINT, `starttime` TIMESTAMP(3), `endtime` TIMESTAMP(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT B.`bidder`, COUNT(*) AS `bid_count`, `window_start` AS `starttime`, `window_end` AS `endtime` FROM TABLE(SESSION(TABLE bid PARTITION BY `bidder`, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) AS B GROUP BY B.`bidder`, `window_start`, `window_end`;
