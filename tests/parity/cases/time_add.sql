-- @input values
CREATE TABLE lake.t.answer (
  `id` BIGINT, `m5` TIMESTAMP_LTZ(3), `mo` TIMESTAMP(3), `computed` TIMESTAMP_LTZ(3)
) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer
SELECT `id`, TIMESTAMPADD(MINUTE, 5, TO_TIMESTAMP_LTZ(`at`, 3)) AS `m5`, TIMESTAMPADD(MONTH, 1, CAST(TO_TIMESTAMP_LTZ(`at`, 3) AS TIMESTAMP(3))) AS `mo`, TIMESTAMPADD(DAY, `t`, TO_TIMESTAMP_LTZ(`at`, 3)) AS `computed`
FROM vals
WHERE `id` <> 4;
