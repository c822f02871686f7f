-- One topic, two tables, one job.
-- @input values
CREATE TABLE lake.t.first_half (`id` BIGINT, `i` INT) WITH ('bucket' = '-1');
CREATE TABLE lake.t.second_half (`id` BIGINT, `c` STRING) WITH ('bucket' = '-1');
EXECUTE STATEMENT SET BEGIN
INSERT INTO lake.t.first_half SELECT `id`, `i` FROM vals WHERE `i` > 0;
INSERT INTO lake.t.second_half SELECT `id`, `c` FROM vals WHERE `c` IS NOT NULL;
END;
