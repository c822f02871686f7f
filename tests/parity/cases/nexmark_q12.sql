-- Nexmark q12: bids of each bidder in windows of processing time. Which window a bid is in is the machine's affair; that it is in one is not, so the
-- case adds up the windows.
-- @input nexmark
CREATE TABLE lake.t.answer (`bidder` BIGINT, `bid_count` BIGINT, PRIMARY KEY (`bidder`) NOT ENFORCED) WITH ('bucket' = '1');
CREATE TEMPORARY VIEW bid_with_proctime AS SELECT *, PROCTIME() AS `p_time` FROM bid;
CREATE TEMPORARY VIEW q12 AS
SELECT `bidder`, COUNT(*) AS `bid_count`, `window_start`, `window_end`
FROM TABLE(TUMBLE(TABLE bid_with_proctime, DESCRIPTOR(`p_time`), INTERVAL '10' SECOND))
GROUP BY `bidder`, `window_start`, `window_end`;
INSERT INTO lake.t.answer SELECT `bidder`, SUM(`bid_count`) FROM q12 GROUP BY `bidder`;
