-- @input trades
CREATE TABLE lake.t.answer (`market` STRING, `window_start` TIMESTAMP(3), `window_end` TIMESTAMP(3), `n` BIGINT, `volume` DECIMAL(38, 8)) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `market`, `window_start`, `window_end`, COUNT(*), SUM(`volume`)
FROM TABLE(HOP(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))
GROUP BY `market`, `window_start`, `window_end`;
