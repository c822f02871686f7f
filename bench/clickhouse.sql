-- The tables of bench/clickhouse.py: 14 of the ticker's columns, with the types that pipeline/upbit.sql gives them, and bars of one minute.
CREATE TEMPORARY TABLE ticker_topic (
  `market` STRING, `timestamp` BIGINT, `trade_price` DECIMAL(20, 8), `opening_price` DECIMAL(20, 8), `high_price` DECIMAL(20, 8), `low_price` DECIMAL(20, 8),
  `prev_closing_price` DECIMAL(20, 8), `signed_change_rate` DOUBLE, `change` STRING, `ask_bid` STRING, `trade_volume` DECIMAL(24, 8),
  `acc_trade_price_24h` DECIMAL(38, 16), `acc_trade_volume_24h` DECIMAL(24, 8), `trade_timestamp` BIGINT
) WITH ('connector' = 'kafka', 'topic' = 'bench-ticker', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TEMPORARY TABLE bar_topic (
  `market` STRING, `window_start` BIGINT, `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8), `volume` DECIMAL(38, 8),
  `turnover` DECIMAL(38, 16), `trade_count` BIGINT
) WITH ('connector' = 'kafka', 'topic' = 'bench-bar', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE IF NOT EXISTS lake.upbit.ticker (
  `market` STRING, `timestamp` TIMESTAMP_LTZ(3), `trade_price` DECIMAL(20, 8), `opening_price` DECIMAL(20, 8), `high_price` DECIMAL(20, 8), `low_price` DECIMAL(20, 8),
  `prev_closing_price` DECIMAL(20, 8), `signed_change_rate` DOUBLE, `change` STRING, `ask_bid` STRING, `trade_volume` DECIMAL(24, 8),
  `acc_trade_price_24h` DECIMAL(38, 16), `acc_trade_volume_24h` DECIMAL(24, 8), `trade_timestamp` TIMESTAMP_LTZ(3), `dt` STRING
) PARTITIONED BY (`dt`) WITH ('bucket' = '-1', 'file.format' = 'parquet', 'file.compression' = 'zstd');
CREATE TABLE IF NOT EXISTS lake.upbit.candle_1m (
  `market` STRING, `window_start` TIMESTAMP_LTZ(3), `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8), `volume` DECIMAL(38, 8),
  `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `dt` STRING, PRIMARY KEY (`market`, `window_start`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');
INSERT INTO lake.upbit.ticker
SELECT `market`, TO_TIMESTAMP_LTZ(`timestamp`, 3), `trade_price`, `opening_price`, `high_price`, `low_price`, `prev_closing_price`, `signed_change_rate`, `change`, `ask_bid`,
  `trade_volume`, `acc_trade_price_24h`, `acc_trade_volume_24h`, TO_TIMESTAMP_LTZ(`trade_timestamp`, 3), DATE_FORMAT(TO_TIMESTAMP_LTZ(`timestamp`, 3), 'yyyy-MM-dd')
FROM ticker_topic;
INSERT INTO lake.upbit.candle_1m
SELECT `market`, TO_TIMESTAMP_LTZ(`window_start`, 3), `open`, `high`, `low`, `close`, `volume`, `turnover`, `trade_count`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`window_start`, 3), 'yyyy-MM-dd')
FROM bar_topic;
