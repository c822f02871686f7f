-- Channel ids, by regular expression and CASE.
-- @input nexmark
CREATE TABLE lake.t.answer (
  `auction` BIGINT, `bidder` BIGINT, `price` BIGINT, `channel` STRING, `channel_id` STRING
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `auction`, `bidder`, `price`, `channel`, CASE WHEN LOWER(`channel`) = 'apple' THEN '0' WHEN LOWER(`channel`) = 'google' THEN '1' WHEN LOWER(`channel`) = 'facebook' THEN '2' WHEN LOWER(`channel`) = 'baidu' THEN '3' ELSE REGEXP_EXTRACT(`url`, '(&|^)channel_id=([^&]*)', 2) END AS `channel_id` FROM bid WHERE REGEXP_EXTRACT(`url`, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL OR LOWER(`channel`) IN ('apple', 'google', 'facebook', 'baidu');
