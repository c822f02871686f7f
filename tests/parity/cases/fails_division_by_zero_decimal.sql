-- @input bad
-- @fails Division by zero
CREATE TABLE lake.t.answer (`id` BIGINT, `v` DECIMAL(38, 18)) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT `id`, `p` / CAST(`zero` AS DECIMAL(20, 8)) AS `v` FROM bad;
