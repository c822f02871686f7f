-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `text` STRING, `unix` BIGINT, `seoul` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, FROM_UNIXTIME(`at` / 1000) AS `text`, UNIX_TIMESTAMP('2026-03-08 15:04:0' || CAST(`id` AS STRING)) AS `unix`, CONVERT_TZ('2026-03-08 15:04:0' || CAST(`id` AS STRING), 'UTC', 'Asia/Seoul') AS `seoul`
FROM vals
WHERE `id` <> 4;
