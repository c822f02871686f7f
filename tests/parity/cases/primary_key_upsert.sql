-- The last row of a key wins, in the order of arrival.
-- @input trades
CREATE TABLE lake.t.answer (`market` STRING, `id` BIGINT, `price` DECIMAL(20, 8), `ts` TIMESTAMP_LTZ(3), PRIMARY KEY (`market`) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO lake.t.answer SELECT `market`, `id`, `price`, `ts` FROM trades WHERE `market` IS NOT NULL;
