-- Nexmark's events as its Flink connector shapes them, and its three views. Times are milliseconds in JSON.
CREATE TEMPORARY TABLE nexmark (
  `event_type` INT,
  `person` ROW<`id` BIGINT, `name` STRING, `emailAddress` STRING, `creditCard` STRING, `city` STRING, `state` STRING, `dateTime` BIGINT>,
  `auction` ROW<`id` BIGINT, `itemName` STRING, `description` STRING, `initialBid` BIGINT, `reserve` BIGINT, `expires` BIGINT, `seller` BIGINT, `category` BIGINT,
    `dateTime` BIGINT>,
  `bid` ROW<`auction` BIGINT, `bidder` BIGINT, `price` BIGINT, `channel` STRING, `url` STRING, `dateTime` BIGINT, `extra` STRING>,
  `dateTime` AS TO_TIMESTAMP_LTZ(CASE WHEN `event_type` = 0 THEN `person`.`dateTime` WHEN `event_type` = 1 THEN `auction`.`dateTime` ELSE `bid`.`dateTime` END, 3),
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH (
  'connector' = 'kafka', 'topic' = 'nexmark', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'properties.group.id' = 'parity',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'scan.watermark.emit.strategy' = 'on-event', 'format' = 'json'
);
CREATE TEMPORARY VIEW person AS
SELECT `person`.`id`, `person`.`name`, `person`.`emailAddress`, `person`.`city`, `person`.`state`, `dateTime` FROM nexmark WHERE `event_type` = 0;
CREATE TEMPORARY VIEW auction AS
SELECT `auction`.`id`, `auction`.`itemName`, `auction`.`initialBid`, `auction`.`reserve`, `auction`.`expires`, `auction`.`seller`, `auction`.`category`, `dateTime`
FROM nexmark WHERE `event_type` = 1;
CREATE TEMPORARY VIEW bid AS
SELECT `bid`.`auction`, `bid`.`bidder`, `bid`.`price`, `bid`.`channel`, `bid`.`url`, `dateTime`, `bid`.`extra` FROM nexmark WHERE `event_type` = 2;
