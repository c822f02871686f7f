-- Topics and no job: `hoga up` with this file is a collector and a log, as the Python collector is a collector and a file.
CREATE TABLE trade (`code` STRING) WITH ('connector' = 'kafka', 'topic' = 'upbit-trade', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'format' = 'json');
