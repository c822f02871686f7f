-- A partition column computed from an instant.
-- @input trades
CREATE TABLE lake.t.answer (`id` BIGINT, `price` DECIMAL(20, 8), `dt` STRING) PARTITIONED BY (`dt`) WITH ('bucket' = '-1', 'file.format' = 'parquet');
INSERT INTO lake.t.answer SELECT `id`, `price`, DATE_FORMAT(`ts`, 'yyyy-MM-dd') FROM trades WHERE `market` IS NOT NULL;
