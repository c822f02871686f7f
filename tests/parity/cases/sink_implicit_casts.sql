-- What an INSERT casts by itself: wider and narrower numbers, NULL where a DECIMAL does not fit, instants to timestamps.
-- @input values
CREATE TABLE lake.t.answer (`id` INT, `t` BIGINT, `i` DOUBLE, `p` DECIMAL(10, 2), `l` DECIMAL(20, 8), `n` DECIMAL(38, 16), `at` TIMESTAMP(3)) WITH ('bucket' = '-1');
INSERT INTO lake.t.answer SELECT CAST(`id` AS INT), `t`, `i`, `p`, `l`, `n`, TO_TIMESTAMP_LTZ(`at`, 3) FROM vals WHERE `id` <> 4;
