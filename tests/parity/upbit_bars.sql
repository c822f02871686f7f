-- Candidate for pipeline/upbit.sql: one-minute bars, longer bars from them, and two alert rules. Valid in Flink 2.0.2 as it stands.
--
-- Open and close are those of the first and last trade by (trade_timestamp, sequential_id), whatever the order of arrival. Flink has no
-- arg_min, and FIRST_VALUE follows arrival: so MIN and MAX of one text that begins with the order and ends with the price. Adding a
-- power of ten gives both numbers a fixed width (16 and 19 digits), which LPAD does more slowly; the price begins at character 36.
--
-- price × volume of DECIMAL(20, 8) × DECIMAL(24, 8) would keep 9 digits after the point: 38 are not enough for all. So one of the two is
-- narrowed first, by a rule that every trade fits: no price has five digits before the point when a billion units change hands.
SET 'table.local-time-zone' = 'UTC';

CREATE TEMPORARY TABLE trade_topic (
  `code` STRING, `trade_price` DECIMAL(20, 8), `trade_volume` DECIMAL(24, 8), `ask_bid` STRING,
  `trade_timestamp` BIGINT, `sequential_id` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`trade_timestamp`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-trade', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}',
  'properties.group.id' = 'hoga-trade', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

CREATE TEMPORARY TABLE alert_topic (
  `market` STRING, `rule` STRING, `window_start` STRING, `window_end` STRING, `price` DECIMAL(20, 8), `change_rate` DOUBLE,
  `turnover` DECIMAL(38, 8)
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-alert', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}',
  'format' = 'json', 'json.encode.decimal-as-plain-number' = 'true', 'key.format' = 'raw', 'key.fields' = 'market'
);

DROP CATALOG IF EXISTS lake;
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.upbit;

-- window_start is an instant; every reader in use can merge by it (pypaimon 2.1, ClickHouse; pypaimon 1.4 cannot)
CREATE TABLE IF NOT EXISTS lake.upbit.candle_1m (
  `market` STRING, `window_start` TIMESTAMP_LTZ(3), `window_end` TIMESTAMP_LTZ(3),
  `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8),
  `volume` DECIMAL(38, 8), `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `buy_volume` DECIMAL(38, 8), `state` STRING, `dt` STRING,
  PRIMARY KEY (`market`, `window_start`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');

CREATE TABLE IF NOT EXISTS lake.upbit.candle_5m (
  `market` STRING, `window_start` TIMESTAMP_LTZ(3), `window_end` TIMESTAMP_LTZ(3),
  `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8),
  `volume` DECIMAL(38, 8), `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `buy_volume` DECIMAL(38, 8), `state` STRING, `dt` STRING,
  PRIMARY KEY (`market`, `window_start`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');

CREATE TABLE IF NOT EXISTS lake.upbit.candle_15m (
  `market` STRING, `window_start` TIMESTAMP_LTZ(3), `window_end` TIMESTAMP_LTZ(3),
  `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8),
  `volume` DECIMAL(38, 8), `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `buy_volume` DECIMAL(38, 8), `state` STRING, `dt` STRING,
  PRIMARY KEY (`market`, `window_start`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');

CREATE TABLE IF NOT EXISTS lake.upbit.candle_1h (
  `market` STRING, `window_start` TIMESTAMP_LTZ(3), `window_end` TIMESTAMP_LTZ(3),
  `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8),
  `volume` DECIMAL(38, 8), `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `buy_volume` DECIMAL(38, 8), `state` STRING, `dt` STRING,
  PRIMARY KEY (`market`, `window_start`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');

CREATE TABLE IF NOT EXISTS lake.upbit.candle_1d (
  `market` STRING, `window_start` TIMESTAMP_LTZ(3), `window_end` TIMESTAMP_LTZ(3),
  `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8),
  `volume` DECIMAL(38, 8), `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `buy_volume` DECIMAL(38, 8), `state` STRING, `dt` STRING,
  PRIMARY KEY (`market`, `window_start`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');

CREATE TEMPORARY VIEW placed_trades AS
SELECT `code`, `ts`, `trade_price`, `trade_volume`, `ask_bid`,
  CONCAT(CAST(1000000000000000 + `trade_timestamp` AS STRING), CAST(1000000000000000000 + `sequential_id` AS STRING),
    CAST(`trade_price` AS STRING)) AS `place`,
  CASE WHEN `trade_volume` < 1000000000 THEN `trade_price` * CAST(`trade_volume` AS DECIMAL(17, 8))
    ELSE CAST(`trade_price` AS DECIMAL(13, 8)) * `trade_volume` END AS `turnover`
FROM trade_topic
WHERE `code` IS NOT NULL AND `trade_timestamp` IS NOT NULL AND `sequential_id` IS NOT NULL;

-- A bar that carries its order: the two texts go up the cascade, so that a day's open is as exact as a minute's. Its own window columns have
-- other names, as the next window function adds window_start and window_end again.
CREATE TEMPORARY VIEW bars_1m AS
SELECT `code` AS `market`, `window_start` AS `bar_start`, `window_end` AS `bar_end`, `window_time` AS `rowtime`,
  MIN(`place`) AS `first`, MAX(`place`) AS `last`, MAX(`trade_price`) AS `high`, MIN(`trade_price`) AS `low`,
  SUM(`trade_volume`) AS `volume`, SUM(`turnover`) AS `turnover`, COUNT(*) AS `trade_count`,
  SUM(CASE WHEN `ask_bid` = 'BID' THEN `trade_volume` ELSE 0 END) AS `buy_volume`
FROM TABLE(TUMBLE(TABLE placed_trades, DESCRIPTOR(`ts`), INTERVAL '1' MINUTE))
GROUP BY `code`, `window_start`, `window_end`, `window_time`;

CREATE TEMPORARY VIEW bars_5m AS
SELECT `market`, `window_start` AS `bar_start`, `window_end` AS `bar_end`, `window_time` AS `rowtime`,
  MIN(`first`) AS `first`, MAX(`last`) AS `last`, MAX(`high`) AS `high`, MIN(`low`) AS `low`,
  SUM(`volume`) AS `volume`, SUM(`turnover`) AS `turnover`, SUM(`trade_count`) AS `trade_count`, SUM(`buy_volume`) AS `buy_volume`
FROM TABLE(TUMBLE(TABLE bars_1m, DESCRIPTOR(`rowtime`), INTERVAL '5' MINUTE))
GROUP BY `market`, `window_start`, `window_end`, `window_time`;

CREATE TEMPORARY VIEW bars_15m AS
SELECT `market`, `window_start` AS `bar_start`, `window_end` AS `bar_end`, `window_time` AS `rowtime`,
  MIN(`first`) AS `first`, MAX(`last`) AS `last`, MAX(`high`) AS `high`, MIN(`low`) AS `low`,
  SUM(`volume`) AS `volume`, SUM(`turnover`) AS `turnover`, SUM(`trade_count`) AS `trade_count`, SUM(`buy_volume`) AS `buy_volume`
FROM TABLE(TUMBLE(TABLE bars_5m, DESCRIPTOR(`rowtime`), INTERVAL '15' MINUTE))
GROUP BY `market`, `window_start`, `window_end`, `window_time`;

CREATE TEMPORARY VIEW bars_1h AS
SELECT `market`, `window_start` AS `bar_start`, `window_end` AS `bar_end`, `window_time` AS `rowtime`,
  MIN(`first`) AS `first`, MAX(`last`) AS `last`, MAX(`high`) AS `high`, MIN(`low`) AS `low`,
  SUM(`volume`) AS `volume`, SUM(`turnover`) AS `turnover`, SUM(`trade_count`) AS `trade_count`, SUM(`buy_volume`) AS `buy_volume`
FROM TABLE(TUMBLE(TABLE bars_15m, DESCRIPTOR(`rowtime`), INTERVAL '1' HOUR))
GROUP BY `market`, `window_start`, `window_end`, `window_time`;

CREATE TEMPORARY VIEW bars_1d AS
SELECT `market`, `window_start` AS `bar_start`, `window_end` AS `bar_end`, `window_time` AS `rowtime`,
  MIN(`first`) AS `first`, MAX(`last`) AS `last`, MAX(`high`) AS `high`, MIN(`low`) AS `low`,
  SUM(`volume`) AS `volume`, SUM(`turnover`) AS `turnover`, SUM(`trade_count`) AS `trade_count`, SUM(`buy_volume`) AS `buy_volume`
FROM TABLE(TUMBLE(TABLE bars_1h, DESCRIPTOR(`rowtime`), INTERVAL '1' DAY))
GROUP BY `market`, `window_start`, `window_end`, `window_time`;

EXECUTE STATEMENT SET BEGIN

INSERT INTO lake.upbit.candle_1m
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)), CAST(`bar_end` AS TIMESTAMP_LTZ(3)),
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)), `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)),
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed', DATE_FORMAT(`bar_start`, 'yyyy-MM-dd')
FROM bars_1m;

INSERT INTO lake.upbit.candle_5m
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)), CAST(`bar_end` AS TIMESTAMP_LTZ(3)),
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)), `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)),
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed', DATE_FORMAT(`bar_start`, 'yyyy-MM-dd')
FROM bars_5m;

INSERT INTO lake.upbit.candle_15m
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)), CAST(`bar_end` AS TIMESTAMP_LTZ(3)),
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)), `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)),
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed', DATE_FORMAT(`bar_start`, 'yyyy-MM-dd')
FROM bars_15m;

INSERT INTO lake.upbit.candle_1h
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)), CAST(`bar_end` AS TIMESTAMP_LTZ(3)),
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)), `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)),
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed', DATE_FORMAT(`bar_start`, 'yyyy-MM-dd')
FROM bars_1h;

INSERT INTO lake.upbit.candle_1d
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)), CAST(`bar_end` AS TIMESTAMP_LTZ(3)),
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)), `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)),
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed', DATE_FORMAT(`bar_start`, 'yyyy-MM-dd')
FROM bars_1d;

-- Surge and plunge: 3 % or more within five minutes, looked at every minute, by open and close of the window.
INSERT INTO alert_topic
SELECT `market`, CASE WHEN `change_rate` > 0 THEN 'surge' ELSE 'plunge' END,
  DATE_FORMAT(`window_start`, 'yyyy-MM-dd HH:mm:ss'), DATE_FORMAT(`window_end`, 'yyyy-MM-dd HH:mm:ss'), `close`, `change_rate`, `turnover`
FROM (
  SELECT `market`, `window_start`, `window_end`, `close`, CAST(`turnover` AS DECIMAL(38, 8)) AS `turnover`,
    CAST(`close` AS DOUBLE) / CAST(`open` AS DOUBLE) - 1 AS `change_rate`
  FROM (
    SELECT `market`, `window_start`, `window_end`, SUM(`turnover`) AS `turnover`,
      CAST(SUBSTRING(MIN(`first`) FROM 36) AS DECIMAL(20, 8)) AS `open`, CAST(SUBSTRING(MAX(`last`) FROM 36) AS DECIMAL(20, 8)) AS `close`
    FROM TABLE(HOP(TABLE bars_1m, DESCRIPTOR(`rowtime`), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE))
    GROUP BY `market`, `window_start`, `window_end`
  ) AS five_minutes
  WHERE `open` > 0
) AS changes
WHERE ABS(`change_rate`) >= 0.03;

-- Whales: single trades of 500,000,000 or more add up within a minute, looked at every ten seconds.
INSERT INTO alert_topic
SELECT `code`, 'whale', DATE_FORMAT(`window_start`, 'yyyy-MM-dd HH:mm:ss'), DATE_FORMAT(`window_end`, 'yyyy-MM-dd HH:mm:ss'),
  MAX(`trade_price`), CAST(NULL AS DOUBLE), CAST(SUM(`turnover`) AS DECIMAL(38, 8))
FROM TABLE(HOP(TABLE placed_trades, DESCRIPTOR(`ts`), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))
WHERE `turnover` >= 500000000
GROUP BY `code`, `window_start`, `window_end`;

END;
