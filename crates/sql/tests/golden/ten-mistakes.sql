-- Ten different mistakes; the golden file beside this one has all of them, each at its place.
SET 'execution.checkpointing.interval' = 'half a minute';

CREATE TEMPORARY TABLE trade_topic (
  `code` STRNG COMMENT '종목 코드',
  trade_price DECIMAL(39, 8),
  timestamp BIGINT,
  `trade_timestamp` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`trade_timestamp`, 3),
  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'upbit-trade', 'format' = 'json',
  'scan.startup.mod' = 'earliest-offset'
);

CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${HOGA_TEST_NOT_SET}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE lake.upbit.trade (
  market STRING, trade_price DECIMAL(20, 8), dt STRING,
  PRIMARY KEY (markt) NOT ENFORCED
) PARTITIONED BY (dt) WITH ('bucket' = '-1');

ALTER TABLE lake.upbit.trade SET ('bucket' = '1');

CREATE TEMPORARY TABLE good_topic (a STRING, b STRING)
WITH ('connector' = 'kafka', 'topic' = 'good', 'format' = 'json');
CREATE TABLE lake.upbit.good (a STRING, b STRING);

EXECUTE STATEMENT SET BEGIN
/* 체결가 */ INSERT INTO lake.upbit.good SELECT a, b FROM godo_topic;
INSERT INTO lake.upbit.good SELECT a FROM good_topic WHERE a = ';';
END;
