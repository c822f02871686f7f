-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `md5` STRING, `sha256` STRING, `base64` STRING, `back` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, MD5(`c`) AS `md5`, SHA256(`c`) AS `sha256`, TO_BASE64(`c`) AS `base64`, FROM_BASE64(TO_BASE64(`c`)) AS `back`
FROM vals;
