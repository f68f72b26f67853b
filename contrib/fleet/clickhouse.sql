-- Where events of a fleet go, one row per line of $upstream_502_json, for
-- ClickHouse 18.16 (Debian 12) and later:
--
--   clickhouse-client --multiquery < clickhouse.sql
--
-- Only `nginx` and `line` are inserted: the line stays as it came, the columns are
-- read out of it. Rows lie by upstream, peer and time, and a day is dropped at
-- once:
--
--   ALTER TABLE upstream_502 DROP PARTITION 20261127
--
-- From version 19.6 on ClickHouse does so by itself:
--
--   ALTER TABLE upstream_502 MODIFY TTL time + INTERVAL 90 DAY

CREATE TABLE IF NOT EXISTS upstream_502 (
    nginx         String,
    line          String,
    -- A gateway response without an attempt has no time of its own.
    time          DateTime DEFAULT if(visitParamExtractUInt(line, 'time') = 0,
                      now(), toDateTime(intDiv(visitParamExtractUInt(line, 'time'), 1000))),
    upstream      String DEFAULT visitParamExtractString(line, 'upstream'),
    peer          String DEFAULT visitParamExtractString(line, 'peer'),
    cause         String DEFAULT visitParamExtractString(line, 'cause'),
    finding       String DEFAULT extract(line, '"findings":\\[\\{"name":"(\\w+)"'),
    client_status UInt16 DEFAULT visitParamExtractUInt(line, 'client_status'),
    rescued       UInt8  DEFAULT visitParamExtractBool(line, 'rescued'),
    response_time Int32  DEFAULT visitParamExtractInt(line, 'response_time'),
    method        String DEFAULT visitParamExtractString(line, 'method'),
    host          String DEFAULT visitParamExtractString(line, 'host'),
    uri           String DEFAULT visitParamExtractString(line, 'uri'),
    request_id    String DEFAULT visitParamExtractString(line, 'request_id'),
    event         UInt64 DEFAULT visitParamExtractUInt(line, 'event')
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (upstream, peer, time);

-- What is asked most: by the minute. Stays small, and may stay for years.
CREATE MATERIALIZED VIEW IF NOT EXISTS upstream_502_minutes
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (upstream, minute, cause, finding)
AS SELECT
    upstream, toStartOfMinute(time) AS minute, cause, finding,
    countState() AS failures, sumState(rescued) AS rescues,
    uniqState(nginx) AS seen_from, uniqState(peer) AS peers
FROM upstream_502
GROUP BY upstream, minute, cause, finding;
