-- The pipeline: Upbit's three streams from their topics into the lake, bars of one minute to one day, and alerts. Flink SQL, the same file for hoga's own engine and for
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

-- A partition that is silent for so long no longer holds the others' windows open: few markets leave some of them empty
SET 'table.exec.source.idle-timeout' = '10 s';

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

-- The ledger of holes in what was collected: each change of a gap is a record, keyed by market, and the last one of a (market, channel,
-- gap_from) is what is true. The times are BIGINT milliseconds. A row of the table is the state of the gap's last change.
CREATE TEMPORARY TABLE gap_topic (
  `market` STRING, `channel` STRING, `gap_from` BIGINT, `gap_to` BIGINT, `cause` STRING, `state` STRING, `trades_repaired` BIGINT,
  `changed_at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-gap', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'properties.group.id' = 'hoga-gap', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

-- Bars computed again: a trade that came after its bar had closed (a late frame, or one got over REST) is in no window any more. hoga up computes the
-- bars that it belongs to from the trade table and writes those that differ here, one record a bar, keyed by market; the times are BIGINT
-- milliseconds. The watermark is only there so that an empty topic is idle and does not hold back what it is joined with.
CREATE TEMPORARY TABLE bar_topic (
  `market` STRING, `size` STRING, `window_start` BIGINT, `window_end` BIGINT,
  `open` DECIMAL(20, 8), `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `close` DECIMAL(20, 8),
  `volume` DECIMAL(38, 8), `turnover` DECIMAL(38, 16), `trade_count` BIGINT, `buy_volume` DECIMAL(38, 8), `state` STRING,
  `changed_at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR `changed_at` AS `changed_at`
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-bar', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'properties.group.id' = 'hoga-bar', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

-- The exchange's list of markets: each change of a market is a record, keyed by market, and says all that is true of it after the change. event: first (it
-- was there when hoga looked first), listing, delisting, warning, warning_released, caution, caution_released, renamed. Times are BIGINT milliseconds.
CREATE TEMPORARY TABLE market_topic (
  `market` STRING, `korean_name` STRING, `english_name` STRING, `state` STRING, `warning` BOOLEAN, `warning_since` BIGINT, `caution` STRING,
  `caution_since` BIGINT, `first_seen` BIGINT, `listed_at` BIGINT, `delisted_at` BIGINT, `event` STRING,
  `changed_at` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-market', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'properties.group.id' = 'hoga-market', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'json.ignore-parse-errors' = 'true'
);

-- What the rules below find. One record an alert, keyed by market; whoever notifies reads it from here. Price, change and turnover are NULL where they
-- say nothing, as of a listing.
CREATE TEMPORARY TABLE alert_topic (
  `market` STRING, `rule` STRING, `window_start` STRING, `window_end` STRING, `price` DECIMAL(20, 8), `change_rate` DOUBLE,
  `turnover` DECIMAL(38, 8)
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-alert', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP:-127.0.0.1:9092}',
  'format' = 'json', 'json.encode.decimal-as-plain-number' = 'true', 'key.format' = 'raw', 'key.fields' = 'market'
);

-- The lake. A cluster with a catalog store keeps the catalog, and with IF NOT EXISTS would keep an old warehouse too: so its
-- definition is dropped first. That deletes no data.
DROP CATALOG IF EXISTS lake;

CREATE CATALOG lake WITH (
  'type' = 'paimon',
  'warehouse' = '${WAREHOUSE}'
);

CREATE DATABASE IF NOT EXISTS lake.upbit;

-- No primary keys: every frame is kept as it came. A trade is (market, sequential_id), once. stream_type is Upbit's (SNAPSHOT, REALTIME), or
-- REST: the trade was missed on the WebSocket and got over REST, which knows no best prices and no time of publication.
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

-- Gaps. gap_to is NULL while the hole goes on; cause: begin (collection of the market begins; nothing is promised of the time before), restart,
-- disconnect, silence, stall, error, unanswered, overflow, missed, backfill (somebody asked for it); state: begin, open, pending (to be repaired), repaired, lost (cannot be:
-- tickers and order books never, trades not after seven days).
CREATE TABLE IF NOT EXISTS lake.upbit.gap (
  `market` STRING, `channel` STRING, `gap_from` TIMESTAMP_LTZ(3), `gap_to` TIMESTAMP_LTZ(3), `cause` STRING, `state` STRING,
  `trades_repaired` BIGINT, `changed_at` TIMESTAMP_LTZ(3), `dt` STRING,
  PRIMARY KEY (`market`, `channel`, `gap_from`, `dt`) NOT ENFORCED
) PARTITIONED BY (`dt`) WITH ('bucket' = '1', 'file.format' = 'parquet');

-- The list of markets. state: listed, delisted. warning is Upbit's 유의; caution its 주의, the names of those that are set with commas. first_seen,
-- listed_at and the others are when hoga saw it: the exchange tells no times. listed_at is NULL for what was there from the start.
CREATE TABLE IF NOT EXISTS lake.upbit.market (
  `market` STRING, `korean_name` STRING, `english_name` STRING, `state` STRING, `warning` BOOLEAN, `warning_since` TIMESTAMP_LTZ(3),
  `caution` STRING, `caution_since` TIMESTAMP_LTZ(3), `first_seen` TIMESTAMP_LTZ(3), `listed_at` TIMESTAMP_LTZ(3), `delisted_at` TIMESTAMP_LTZ(3),
  `changed_at` TIMESTAMP_LTZ(3),
  PRIMARY KEY (`market`) NOT ENFORCED
) WITH ('bucket' = '1', 'file.format' = 'parquet');

-- Bars. window_start is an instant; a bar that is computed again replaces the one before. state: closed (by the watermark, all its trades were in time),
-- repaired (computed again), incomplete (a gap of its trades is open, pending or lost; see gap).
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

-- Open and close are those of the first and last trade by (trade_timestamp, sequential_id), whatever the order of arrival. Flink has no
-- arg_min, and FIRST_VALUE follows arrival: so MIN and MAX of one text that begins with the order and ends with the price. Adding a
-- power of ten gives both numbers a fixed width (16 and 19 digits); the price begins at character 36.
-- Price times volume of DECIMAL(20, 8) and DECIMAL(24, 8) would keep 9 digits after the point: 38 are not enough for all. So one of
-- the two is narrowed first, by a rule that every trade fits: no price has five digits before the point when a billion units change hands.
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

INSERT INTO lake.upbit.gap
SELECT `market`, `channel`, TO_TIMESTAMP_LTZ(`gap_from`, 3) AS `gap_from`, TO_TIMESTAMP_LTZ(`gap_to`, 3) AS `gap_to`, `cause`, `state`,
  `trades_repaired`, `changed_at`, DATE_FORMAT(TO_TIMESTAMP_LTZ(`gap_from`, 3), 'yyyy-MM-dd') AS `dt`
FROM gap_topic
WHERE `market` IS NOT NULL AND `channel` IS NOT NULL AND `gap_from` IS NOT NULL;

INSERT INTO lake.upbit.market
SELECT `market`, `korean_name`, `english_name`, `state`, `warning`, TO_TIMESTAMP_LTZ(`warning_since`, 3) AS `warning_since`, `caution`,
  TO_TIMESTAMP_LTZ(`caution_since`, 3) AS `caution_since`, TO_TIMESTAMP_LTZ(`first_seen`, 3) AS `first_seen`,
  TO_TIMESTAMP_LTZ(`listed_at`, 3) AS `listed_at`, TO_TIMESTAMP_LTZ(`delisted_at`, 3) AS `delisted_at`, `changed_at`
FROM market_topic
WHERE `market` IS NOT NULL;

INSERT INTO lake.upbit.candle_1m
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)) AS `window_start`, CAST(`bar_end` AS TIMESTAMP_LTZ(3)) AS `window_end`,
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)) AS `open`, `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)) AS `close`,
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed' AS `state`, DATE_FORMAT(`bar_start`, 'yyyy-MM-dd') AS `dt`
FROM bars_1m
UNION ALL
SELECT `market`, TO_TIMESTAMP_LTZ(`window_start`, 3) AS `window_start`, TO_TIMESTAMP_LTZ(`window_end`, 3) AS `window_end`,
  `open`, `high`, `low`, `close`, `volume`, `turnover`, `trade_count`, `buy_volume`, `state`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(`window_start`, 3), 'yyyy-MM-dd') AS `dt`
FROM bar_topic
WHERE `size` = '1m' AND `market` IS NOT NULL AND `window_start` IS NOT NULL;

INSERT INTO lake.upbit.candle_5m
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)) AS `window_start`, CAST(`bar_end` AS TIMESTAMP_LTZ(3)) AS `window_end`,
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)) AS `open`, `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)) AS `close`,
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed' AS `state`, DATE_FORMAT(`bar_start`, 'yyyy-MM-dd') AS `dt`
FROM bars_5m
UNION ALL
SELECT `market`, TO_TIMESTAMP_LTZ(`window_start`, 3) AS `window_start`, TO_TIMESTAMP_LTZ(`window_end`, 3) AS `window_end`,
  `open`, `high`, `low`, `close`, `volume`, `turnover`, `trade_count`, `buy_volume`, `state`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(`window_start`, 3), 'yyyy-MM-dd') AS `dt`
FROM bar_topic
WHERE `size` = '5m' AND `market` IS NOT NULL AND `window_start` IS NOT NULL;

INSERT INTO lake.upbit.candle_15m
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)) AS `window_start`, CAST(`bar_end` AS TIMESTAMP_LTZ(3)) AS `window_end`,
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)) AS `open`, `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)) AS `close`,
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed' AS `state`, DATE_FORMAT(`bar_start`, 'yyyy-MM-dd') AS `dt`
FROM bars_15m
UNION ALL
SELECT `market`, TO_TIMESTAMP_LTZ(`window_start`, 3) AS `window_start`, TO_TIMESTAMP_LTZ(`window_end`, 3) AS `window_end`,
  `open`, `high`, `low`, `close`, `volume`, `turnover`, `trade_count`, `buy_volume`, `state`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(`window_start`, 3), 'yyyy-MM-dd') AS `dt`
FROM bar_topic
WHERE `size` = '15m' AND `market` IS NOT NULL AND `window_start` IS NOT NULL;

INSERT INTO lake.upbit.candle_1h
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)) AS `window_start`, CAST(`bar_end` AS TIMESTAMP_LTZ(3)) AS `window_end`,
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)) AS `open`, `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)) AS `close`,
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed' AS `state`, DATE_FORMAT(`bar_start`, 'yyyy-MM-dd') AS `dt`
FROM bars_1h
UNION ALL
SELECT `market`, TO_TIMESTAMP_LTZ(`window_start`, 3) AS `window_start`, TO_TIMESTAMP_LTZ(`window_end`, 3) AS `window_end`,
  `open`, `high`, `low`, `close`, `volume`, `turnover`, `trade_count`, `buy_volume`, `state`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(`window_start`, 3), 'yyyy-MM-dd') AS `dt`
FROM bar_topic
WHERE `size` = '1h' AND `market` IS NOT NULL AND `window_start` IS NOT NULL;

INSERT INTO lake.upbit.candle_1d
SELECT `market`, CAST(`bar_start` AS TIMESTAMP_LTZ(3)) AS `window_start`, CAST(`bar_end` AS TIMESTAMP_LTZ(3)) AS `window_end`,
  CAST(SUBSTRING(`first` FROM 36) AS DECIMAL(20, 8)) AS `open`, `high`, `low`, CAST(SUBSTRING(`last` FROM 36) AS DECIMAL(20, 8)) AS `close`,
  `volume`, `turnover`, `trade_count`, `buy_volume`, 'closed' AS `state`, DATE_FORMAT(`bar_start`, 'yyyy-MM-dd') AS `dt`
FROM bars_1d
UNION ALL
SELECT `market`, TO_TIMESTAMP_LTZ(`window_start`, 3) AS `window_start`, TO_TIMESTAMP_LTZ(`window_end`, 3) AS `window_end`,
  `open`, `high`, `low`, `close`, `volume`, `turnover`, `trade_count`, `buy_volume`, `state`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(`window_start`, 3), 'yyyy-MM-dd') AS `dt`
FROM bar_topic
WHERE `size` = '1d' AND `market` IS NOT NULL AND `window_start` IS NOT NULL;

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

-- Listings, delistings, warnings and cautions. Their time is when they were seen; a first look at the list raises none.
INSERT INTO alert_topic
SELECT `market`, `event`, DATE_FORMAT(`changed_at`, 'yyyy-MM-dd HH:mm:ss'), DATE_FORMAT(`changed_at`, 'yyyy-MM-dd HH:mm:ss'),
  CAST(NULL AS DECIMAL(20, 8)), CAST(NULL AS DOUBLE), CAST(NULL AS DECIMAL(38, 8))
FROM market_topic
WHERE `market` IS NOT NULL AND `event` IN ('listing', 'delisting', 'warning', 'warning_released', 'caution', 'caution_released');

END;
