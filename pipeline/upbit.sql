-- The pipeline: Upbit's three streams from their topics into the lake. Flink SQL, the same file for hoga's own engine and for
-- Flink 2.0 with Paimon 1.4.
--
-- Variables, replaced before either reads the file (Flink itself has no such syntax, hoga deploy does it for Flink):
--   KAFKA_BOOTSTRAP  brokers of the topics, default 127.0.0.1:9092, which is where hoga up listens
--   WAREHOUSE        folder or bucket of the lake, such as file:///var/lib/hoga/warehouse or s3://bucket/path

SET 'pipeline.name' = 'hoga-upbit';

-- one lake commit per checkpoint: what SQL over the lake alone sees is at most this old
SET 'execution.checkpointing.interval' = '30 s';

-- DATE_FORMAT of an instant answers in this zone. UTC days are Upbit's trading days (they start at 09:00 in Seoul), so dt must not
-- depend on where the job runs
SET 'table.local-time-zone' = 'UTC';

-- The topics. Columns are Upbit's DEFAULT field names and all of them can be absent: old records lack new fields.
-- Money is DECIMAL because Upbit sends up to 24 digits and writes the same number in five ways (1.16539E8, 0E-8).
-- Raw times are BIGINT milliseconds. recv_time is the record's own timestamp: when the collector received the frame.
-- TEMPORARY, so that a cluster's catalog store keeps nothing of them: this file is the only definition, a changed line is in
-- force at the next start.
-- A record that is no JSON, or whose field has another type: Flink skips it (json.ignore-parse-errors), hoga counts it and moves
-- it to the dead-letter topic with the reason. Neither stops.
CREATE TEMPORARY TABLE ticker_topic (
  `type` STRING,
  `code` STRING,
  `opening_price` DECIMAL(20, 8),
  `high_price` DECIMAL(20, 8),
  `low_price` DECIMAL(20, 8),
  `trade_price` DECIMAL(20, 8),
  `prev_closing_price` DECIMAL(20, 8),
  `change` STRING,
  `change_price` DECIMAL(20, 8),
  `signed_change_price` DECIMAL(20, 8),
  `change_rate` DOUBLE,
  `signed_change_rate` DOUBLE,
  `trade_volume` DECIMAL(24, 8),
  `acc_trade_volume` DECIMAL(24, 8),
  `acc_trade_volume_24h` DECIMAL(24, 8),
  `acc_trade_price` DECIMAL(38, 16),
  `acc_trade_price_24h` DECIMAL(38, 16),
  `trade_date` STRING,
  `trade_time` STRING,
  `trade_timestamp` BIGINT,
  `ask_bid` STRING,
  `acc_ask_volume` DECIMAL(24, 8),
  `acc_bid_volume` DECIMAL(24, 8),
  `highest_52_week_price` DECIMAL(20, 8),
  `highest_52_week_date` STRING,
  `lowest_52_week_price` DECIMAL(20, 8),
  `lowest_52_week_date` STRING,
  `market_state` STRING,
  `is_trading_suspended` BOOLEAN,
  `delisting_date` STRING,
  `market_warning` STRING,
  `timestamp` BIGINT,
  `stream_type` STRING,
  `recv_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  `ts` AS TO_TIMESTAMP_LTZ(`timestamp`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'upbit-ticker',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'properties.group.id' = 'hoga-ticker',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- best_* exist since 2024-11-27. sequential_id exceeds 2^53, so it is read as an integer, never through a double.
CREATE TEMPORARY TABLE trade_topic (
  `type` STRING,
  `code` STRING,
  `trade_price` DECIMAL(20, 8),
  `trade_volume` DECIMAL(24, 8),
  `ask_bid` STRING,
  `prev_closing_price` DECIMAL(20, 8),
  `change` STRING,
  `change_price` DECIMAL(20, 8),
  `trade_date` STRING,
  `trade_time` STRING,
  `trade_timestamp` BIGINT,
  `timestamp` BIGINT,
  `sequential_id` BIGINT,
  `best_ask_price` DECIMAL(20, 8),
  `best_ask_size` DECIMAL(24, 8),
  `best_bid_price` DECIMAL(20, 8),
  `best_bid_size` DECIMAL(24, 8),
  `stream_type` STRING,
  `recv_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  `ts` AS TO_TIMESTAMP_LTZ(`trade_timestamp`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'upbit-trade',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'properties.group.id' = 'hoga-trade',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- A book stays one row with its levels in an array, best first. Flattened, a book would be 30 rows that are only true together
-- (or 120 columns), and 2,000 books a second 60,000 rows. UNNEST flattens where a query needs it.
CREATE TEMPORARY TABLE orderbook_topic (
  `type` STRING,
  `code` STRING,
  `timestamp` BIGINT,
  `total_ask_size` DECIMAL(24, 8),
  `total_bid_size` DECIMAL(24, 8),
  `orderbook_units` ARRAY<ROW<
    `ask_price` DECIMAL(20, 8),
    `bid_price` DECIMAL(20, 8),
    `ask_size` DECIMAL(24, 8),
    `bid_size` DECIMAL(24, 8)>>,
  `level` DECIMAL(20, 8),
  `stream_type` STRING,
  `recv_time` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  `ts` AS TO_TIMESTAMP_LTZ(`timestamp`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'upbit-orderbook',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'properties.group.id' = 'hoga-orderbook',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- The lake. A cluster with a catalog store keeps the catalog, and with IF NOT EXISTS would keep an old warehouse too: so its
-- definition is dropped first. That deletes no data.
DROP CATALOG IF EXISTS lake;

CREATE CATALOG lake WITH (
  'type' = 'paimon',
  'warehouse' = '${WAREHOUSE}'
);

CREATE DATABASE IF NOT EXISTS lake.upbit;

-- No primary keys: every frame is kept as it came. A trade is (market, sequential_id), and who reads removes what came twice.
-- bucket -1 is Paimon's layout for tables without a key. Instants are TIMESTAMP_LTZ(3): UTC inside, shown in the reader's zone.
CREATE TABLE IF NOT EXISTS lake.upbit.ticker (
  `market` STRING,
  `opening_price` DECIMAL(20, 8),
  `high_price` DECIMAL(20, 8),
  `low_price` DECIMAL(20, 8),
  `trade_price` DECIMAL(20, 8),
  `prev_closing_price` DECIMAL(20, 8),
  `change` STRING,
  `change_price` DECIMAL(20, 8),
  `signed_change_price` DECIMAL(20, 8),
  `change_rate` DOUBLE,
  `signed_change_rate` DOUBLE,
  `trade_volume` DECIMAL(24, 8),
  `acc_trade_volume` DECIMAL(24, 8),
  `acc_trade_volume_24h` DECIMAL(24, 8),
  `acc_trade_price` DECIMAL(38, 16),
  `acc_trade_price_24h` DECIMAL(38, 16),
  `trade_date` STRING,
  `trade_time` STRING,
  `trade_timestamp` TIMESTAMP_LTZ(3),
  `ask_bid` STRING,
  `acc_ask_volume` DECIMAL(24, 8),
  `acc_bid_volume` DECIMAL(24, 8),
  `highest_52_week_price` DECIMAL(20, 8),
  `highest_52_week_date` STRING,
  `lowest_52_week_price` DECIMAL(20, 8),
  `lowest_52_week_date` STRING,
  `market_state` STRING,
  `is_trading_suspended` BOOLEAN,
  `delisting_date` STRING,
  `market_warning` STRING,
  `timestamp` TIMESTAMP_LTZ(3),
  `stream_type` STRING,
  `recv_time` TIMESTAMP_LTZ(3),
  `dt` STRING
) PARTITIONED BY (`dt`) WITH (
  'bucket' = '-1',
  'file.format' = 'parquet',
  'file.compression' = 'zstd'
);

CREATE TABLE IF NOT EXISTS lake.upbit.trade (
  `market` STRING,
  `trade_price` DECIMAL(20, 8),
  `trade_volume` DECIMAL(24, 8),
  `ask_bid` STRING,
  `prev_closing_price` DECIMAL(20, 8),
  `change` STRING,
  `change_price` DECIMAL(20, 8),
  `trade_date` STRING,
  `trade_time` STRING,
  `trade_timestamp` TIMESTAMP_LTZ(3),
  `timestamp` TIMESTAMP_LTZ(3),
  `sequential_id` BIGINT,
  `best_ask_price` DECIMAL(20, 8),
  `best_ask_size` DECIMAL(24, 8),
  `best_bid_price` DECIMAL(20, 8),
  `best_bid_size` DECIMAL(24, 8),
  `stream_type` STRING,
  `recv_time` TIMESTAMP_LTZ(3),
  `dt` STRING
) PARTITIONED BY (`dt`) WITH (
  'bucket' = '-1',
  'file.format' = 'parquet',
  'file.compression' = 'zstd'
);

-- orderbook_units stay as they came: Upbit fills thin books up to 30 levels with zeros, and a level of price 0 is no level.
CREATE TABLE IF NOT EXISTS lake.upbit.orderbook (
  `market` STRING,
  `timestamp` TIMESTAMP_LTZ(3),
  `total_ask_size` DECIMAL(24, 8),
  `total_bid_size` DECIMAL(24, 8),
  `orderbook_units` ARRAY<ROW<
    `ask_price` DECIMAL(20, 8),
    `bid_price` DECIMAL(20, 8),
    `ask_size` DECIMAL(24, 8),
    `bid_size` DECIMAL(24, 8)>>,
  `level` DECIMAL(20, 8),
  `stream_type` STRING,
  `recv_time` TIMESTAMP_LTZ(3),
  `dt` STRING
) PARTITIONED BY (`dt`) WITH (
  'bucket' = '-1',
  'file.format' = 'parquet',
  'file.compression' = 'zstd'
);

-- One job. dt is the UTC day of the record's own time, not of its receipt: a trade that comes late is still in its day.
-- What has no market or no time belongs to no row of these tables and is left out.
EXECUTE STATEMENT SET BEGIN

INSERT INTO lake.upbit.ticker
SELECT
  `code` AS `market`,
  `opening_price`, `high_price`, `low_price`, `trade_price`, `prev_closing_price`,
  `change`, `change_price`, `signed_change_price`, `change_rate`, `signed_change_rate`,
  `trade_volume`, `acc_trade_volume`, `acc_trade_volume_24h`, `acc_trade_price`, `acc_trade_price_24h`,
  `trade_date`, `trade_time`,
  TO_TIMESTAMP_LTZ(`trade_timestamp`, 3) AS `trade_timestamp`,
  `ask_bid`, `acc_ask_volume`, `acc_bid_volume`,
  `highest_52_week_price`, `highest_52_week_date`, `lowest_52_week_price`, `lowest_52_week_date`,
  `market_state`, `is_trading_suspended`, `delisting_date`, `market_warning`,
  `ts` AS `timestamp`,
  `stream_type`, `recv_time`,
  DATE_FORMAT(`ts`, 'yyyy-MM-dd') AS `dt`
FROM ticker_topic
WHERE `code` IS NOT NULL AND `timestamp` IS NOT NULL;

INSERT INTO lake.upbit.trade
SELECT
  `code` AS `market`,
  `trade_price`, `trade_volume`, `ask_bid`, `prev_closing_price`, `change`, `change_price`,
  `trade_date`, `trade_time`,
  `ts` AS `trade_timestamp`,
  TO_TIMESTAMP_LTZ(`timestamp`, 3) AS `timestamp`,
  `sequential_id`,
  `best_ask_price`, `best_ask_size`, `best_bid_price`, `best_bid_size`,
  `stream_type`, `recv_time`,
  DATE_FORMAT(`ts`, 'yyyy-MM-dd') AS `dt`
FROM trade_topic
WHERE `code` IS NOT NULL AND `sequential_id` IS NOT NULL AND `trade_timestamp` IS NOT NULL;

INSERT INTO lake.upbit.orderbook
SELECT
  `code` AS `market`,
  `ts` AS `timestamp`,
  `total_ask_size`, `total_bid_size`, `orderbook_units`, `level`,
  `stream_type`, `recv_time`,
  DATE_FORMAT(`ts`, 'yyyy-MM-dd') AS `dt`
FROM orderbook_topic
WHERE `code` IS NOT NULL AND `timestamp` IS NOT NULL;

END;
