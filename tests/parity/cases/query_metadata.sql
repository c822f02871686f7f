-- The record's own timestamp, offset and partition.
-- @input keyed
CREATE TEMPORARY TABLE meta (`id` BIGINT, `recv` TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, `offset` BIGINT METADATA VIRTUAL, `part` INT METADATA FROM 'partition' VIRTUAL, `twice` AS `id` * 2) WITH ('connector' = 'kafka', 'topic' = 'events', 'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP}', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
CREATE TABLE lake.t.answer (
  `id` BIGINT, `recv` TIMESTAMP_LTZ(3), `offset` BIGINT, `part` INT, `twice` BIGINT
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, `recv`, `offset`, `part`, `twice` FROM meta;
