-- Questions of the morning after. `clickhouse-client --multiquery < queries.sql`
-- asks them all about the last twelve hours.

-- What failed, when, how often; on how many peers, seen from how many nginx?
SELECT upstream, cause, finding, min(minute) AS first, max(minute) AS last,
    countMerge(failures) AS failed, sumMerge(rescues) AS saved,
    uniqMerge(peers) AS on_peers, uniqMerge(seen_from) AS from_nginx
FROM upstream_502_minutes
WHERE minute > now() - 43200
GROUP BY upstream, cause, finding
ORDER BY failed DESC
LIMIT 20;

-- On which peers, and seen from where: a service that fails for all, or the way
-- to it from some?
SELECT upstream, peer, cause, count() AS failed, uniq(nginx) AS from_nginx,
    arraySlice(arraySort(groupUniqArray(nginx)), 1, 5) AS some_of_them,
    min(time) AS first, max(time) AS last
FROM upstream_502
WHERE time > now() - 43200
GROUP BY upstream, peer, cause
ORDER BY failed DESC
LIMIT 20;

-- What came before: which upstream failed first in each five minutes?
SELECT toStartOfFiveMinute(time) AS spell, upstream, cause, min(time) AS first,
    count() AS failed
FROM upstream_502
WHERE time > now() - 43200
GROUP BY spell, upstream, cause
ORDER BY spell, first
LIMIT 50;

-- Which requests, by their ids, to look up in other logs?
SELECT time, nginx, request_id, method, host, uri, peer, cause, client_status
FROM upstream_502
WHERE time > now() - 43200 AND NOT rescued
ORDER BY time DESC
LIMIT 50;
