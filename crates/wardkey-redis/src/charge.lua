-- Charges one request to every limit of a key, or to none. One call, so nothing comes in between.
--
-- KEYS[1]  what is kept of the key: for each limit `name limit window_micros micros parts`, joined by blanks. The last two
--          are the instant at which the bucket is full again: microseconds of this server's clock, and parts of one, of
--          which `limit` make a microsecond.
-- ARGV     for each limit: name, limit, window in seconds.
-- Answers  1 if the request was charged, else 0; this server's time in microseconds; then micros and parts of each bucket.
--
-- Numbers here are doubles, exact up to 2^53, which is 9.0e15. Microseconds since 1970 are 1.8e15 and stay below it until
-- the year 2255; a window is at most 2.7e12, parts are less than a limit, which is at most 1e9. Instants are only added to.
-- Quotients are of integers so far below 2^53 that rounding cannot reach the next integer.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local known = {}
local stored = redis.call('GET', KEYS[1]) or ''
for name, limit, window, micros, parts in string.gmatch(stored, '(%S+) (%d+) (%d+) (%d+) (%d+)') do
    known[name] =
        { limit = tonumber(limit), window = tonumber(window), micros = tonumber(micros), parts = tonumber(parts) }
end

local charged, changed = 1, 0
local before, after = {}, {}
for at = 1, #ARGV, 3 do
    local name, limit, window = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2] * 1000000
    local interval = math.floor(window / limit)
    local rest = window - interval * limit
    local micros, parts = now, 0
    local old = known[name]
    if old and old.limit == limit and old.window == window then
        micros, parts = old.micros, old.parts
        -- Only a clock that was wrong and has been put right finds a bucket this empty: it begins anew from empty.
        if micros > now + 2 * window then
            micros, parts, changed = now + window, 0, 1
        end
        if micros < now then
            micros, parts = now, 0
        end
    elseif old then
        changed = 1
        if old.micros >= now then
            -- Of a limit that was changed what was spent stays spent, in whole tokens. These numbers may be rounded, hence
            -- the microsecond more.
            local spent = math.min(math.ceil((old.micros + 1 - now) * old.limit / old.window), limit)
            micros = math.min(now + interval * spent + math.ceil(rest * spent / limit) + 1, now + window)
        end
    end
    local next_micros, next_parts = micros + interval, parts + rest
    if next_parts >= limit then
        next_micros, next_parts = next_micros + 1, next_parts - limit
    end
    if next_micros > now + window or (next_micros == now + window and next_parts > 0) then
        charged = 0
    end
    before[#before + 1] = { name, limit, window, micros, parts }
    after[#after + 1] = { name, limit, window, next_micros, next_parts }
end

local buckets = charged == 1 and after or before
if charged == 1 or changed == 1 then
    -- As soon as all buckets are full, nothing need be known of them.
    local texts, last = {}, now
    for _, bucket in ipairs(buckets) do
        texts[#texts + 1] = string.format('%s %.0f %.0f %.0f %.0f', unpack(bucket))
        last = math.max(last, bucket[4] + 1)
    end
    redis.call('SET', KEYS[1], table.concat(texts, ' '), 'PX', math.ceil((last - now) / 1000) + 1)
end

local answer = { charged, now }
for _, bucket in ipairs(buckets) do
    answer[#answer + 1] = bucket[4]
    answer[#answer + 1] = bucket[5]
end
return answer
