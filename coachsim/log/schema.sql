-- The log's tables and views. Truth is `events`: append-only, in commit order. Everything else is derived from it.
--
-- Each derived thing X comes in two parts: `closed_X`, a table filled once, in the commit of the night's clear-down, and
-- `open_X`, a view of the open day's events. The stable names at the end put the two together. Closing a day
-- is therefore always the same step: INSERT INTO closed_X BY NAME FROM open_X, for every X (see log/writer.py).
--
-- Times are TIMESTAMP in UTC. No PRIMARY KEY (it doubles the file and halves the speed of loading): that
-- seq counts without gaps is checked when a log is opened. `at`, `by`, `from` and `to` are reserved words: no column names.

CREATE TABLE run_info (
    format INTEGER,            -- of this schema; a log of a newer format is refused
    kind VARCHAR,              -- live, practice or simulated
    scenario VARCHAR,
    seed BIGINT,
    version VARCHAR,           -- of coachsim
    time_zone VARCHAR,         -- at creation
    site VARCHAR,
    floor_name VARCHAR,
    created_at TIMESTAMP,
    detail VARCHAR             -- JSON: what else the creator had to say
);

CREATE TABLE events (
    seq BIGINT,                -- 1, 2, 3 … without gaps
    happened_at TIMESTAMP,
    kind VARCHAR,              -- a key of events.EVENT_KINDS
    actor VARCHAR,
    agent_id VARCHAR,          -- whose event it is
    message_id BIGINT,
    message_ids BIGINT[],      -- told of, toasted or read by that agent
    agent_ids VARCHAR[],       -- sent: the recipients; expired: who lost it
    teams VARCHAR[],           -- sent: in step with agent_ids, like the next three
    states VARCHAR[],
    notified BOOLEAN[],
    toasted BOOLEAN[],
    state VARCHAR,
    reason VARCHAR,
    payload VARCHAR            -- JSON: the event's other fields
);

CREATE TABLE recoveries (recovered_at TIMESTAMP);  -- when writing worked again after a failed commit

-- --- closed days, written once ---

CREATE TABLE closed_days (
    day VARCHAR, began_seq BIGINT, began_at TIMESTAMP, time_zone VARCHAR,
    cleared_seq BIGINT, cleared_at TIMESTAMP, deliveries BIGINT, lost BIGINT
);
CREATE TABLE closed_deliveries (
    message_id BIGINT, agent_id VARCHAR, team VARCHAR, day VARCHAR, sent_at TIMESTAMP, state_at_send VARCHAR,
    toast_at TIMESTAMP, notified_at TIMESTAMP, read_at TIMESTAMP, acknowledged_at TIMESTAMP, lost_at TIMESTAMP,
    cleared_at TIMESTAMP, status VARCHAR,
    -- What deliveries are counted by, kept with each: to look it up for ten million rows takes twice the counting.
    hour TINYINT,              -- of sending, in the time zone that the floor had that day
    priority VARCHAR,
    sender VARCHAR
);
CREATE TABLE closed_messages (
    message_id BIGINT, seq BIGINT, day VARCHAR, sent_at TIMESTAMP, sender VARCHAR, audience VARCHAR, body VARCHAR,
    priority VARCHAR, ack_required BOOLEAN, expires_at TIMESTAMP, recipients BIGINT, ack_by TIMESTAMP
);
CREATE TABLE closed_state_changes (
    seq BIGINT, agent_id VARCHAR, changed_at TIMESTAMP, state VARCHAR, reason VARCHAR, actor VARCHAR
);
CREATE TABLE closed_agent_changes (
    seq BIGINT, changed_at TIMESTAMP, agent_id VARCHAR, name VARCHAR, team VARCHAR, campaigns VARCHAR[],
    lists VARCHAR[], queues VARCHAR[], active BOOLEAN
);
CREATE TABLE closed_audit (
    seq BIGINT, kind VARCHAR, happened_at TIMESTAMP, actor VARCHAR, action VARCHAR, subject VARCHAR, detail VARCHAR
);
CREATE TABLE closed_schedule_changes (  -- retention keeps those of what is still to go out
    seq BIGINT, schedule_id BIGINT, kind VARCHAR, changed_at TIMESTAMP, actor VARCHAR, message_id BIGINT,
    payload VARCHAR
);

-- --- the open day ---

-- The bound is a join that DuckDB pushes into the scan: only the last row groups are read, however long the log.
CREATE VIEW open_events AS
    SELECT * FROM events WHERE seq > (SELECT coalesce(max(cleared_seq), 0) FROM closed_days);

CREATE VIEW open_days AS
    SELECT
        payload->>'$.day' AS day,
        seq AS began_seq,
        make_timestamp(CAST(payload->>'$.began_at' AS BIGINT)) AS began_at,
        payload->>'$.time_zone' AS time_zone
    FROM open_events
    WHERE kind = 'day_began';

-- One row for each message: the day in force at the send, and the first clear-down after it (by hand or the night's).
CREATE VIEW open_sends AS
    SELECT sent.*, began.day, began.time_zone, cleared.cleared_at
    FROM (SELECT * FROM open_events WHERE kind = 'sent') AS sent
    ASOF LEFT JOIN open_days AS began ON sent.seq >= began.began_seq
    ASOF LEFT JOIN (
        SELECT seq AS cleared_seq, happened_at AS cleared_at FROM open_events WHERE kind = 'cleared_down'
    ) AS cleared ON sent.seq < cleared.cleared_seq;

CREATE VIEW open_messages AS
    SELECT
        message_id,
        seq,
        day,
        happened_at AS sent_at,
        payload->>'$.sender' AS sender,
        CAST(payload->'$.audience' AS VARCHAR) AS audience,
        payload->>'$.body' AS body,
        payload->>'$.priority' AS priority,
        CAST(payload->>'$.ack_required' AS BOOLEAN) AS ack_required,
        make_timestamp(CAST(payload->>'$.expires_at' AS BIGINT)) AS expires_at,
        len(agent_ids) AS recipients,
        make_timestamp(CAST(payload->>'$.ack_by' AS BIGINT)) AS ack_by
    FROM open_sends;

-- Everything that happened to a delivery becomes one or more marks; a delivery is the least of each kind of mark.
CREATE VIEW open_deliveries AS
    WITH sent AS (
        SELECT
            message_id, happened_at, day, cleared_at,
            hour(timezone(coalesce(time_zone, (SELECT any_value(time_zone) FROM run_info), 'UTC'),
                          timezone('UTC', happened_at))) AS hour,
            payload->>'$.priority' AS priority, payload->>'$.sender' AS sender,
            unnest(agent_ids) AS agent_id, unnest(teams) AS team, unnest(states) AS state_at_send,
            unnest(notified) AS notified, unnest(toasted) AS toasted
        FROM open_sends
    ),
    told AS (
        SELECT unnest(coalesce(message_ids, [message_id])) AS message_id, agent_id, kind, happened_at
        FROM open_events
        WHERE kind IN ('connected', 'state_changed', 'toasts_shown', 'read', 'acknowledged')
          AND (message_ids IS NOT NULL OR message_id IS NOT NULL)
    ),
    expired AS (
        SELECT message_id, unnest(agent_ids) AS agent_id, happened_at FROM open_events WHERE kind = 'expired'
    ),
    marks AS (
        SELECT
            message_id, agent_id, team, day, happened_at AS sent_at, state_at_send,
            CASE WHEN toasted THEN happened_at END AS toast_at,
            CASE WHEN notified OR toasted THEN happened_at END AS notified_at,
            NULL::TIMESTAMP AS read_at, NULL::TIMESTAMP AS acknowledged_at, NULL::TIMESTAMP AS lost_at, cleared_at,
            hour, priority, sender
        FROM sent
        UNION ALL BY NAME
        SELECT
            message_id, agent_id,
            CASE WHEN kind = 'toasts_shown' THEN happened_at END AS toast_at,
            CASE WHEN kind <> 'acknowledged' THEN happened_at END AS notified_at,
            CASE WHEN kind = 'read' THEN happened_at END AS read_at,
            CASE WHEN kind = 'acknowledged' THEN happened_at END AS acknowledged_at
        FROM told
        UNION ALL BY NAME
        SELECT message_id, agent_id, happened_at AS lost_at FROM expired
    ),
    delivery AS (
        SELECT
            message_id, agent_id, min(team) AS team, min(day) AS day, min(sent_at) AS sent_at,
            min(state_at_send) AS state_at_send, min(toast_at) AS toast_at, min(notified_at) AS notified_at,
            min(read_at) AS read_at, min(acknowledged_at) AS acknowledged_at, min(lost_at) AS expired_at,
            min(cleared_at) AS cleared_at, min(hour) AS hour, min(priority) AS priority, min(sender) AS sender
        FROM marks
        GROUP BY message_id, agent_id
    )
    SELECT
        message_id, agent_id, team, day, sent_at, state_at_send, toast_at, notified_at, read_at, acknowledged_at,
        coalesce(expired_at, CASE WHEN read_at IS NULL THEN cleared_at END) AS lost_at,
        cleared_at,
        CASE
            WHEN expired_at IS NOT NULL OR (read_at IS NULL AND cleared_at IS NOT NULL) THEN 'lost'
            WHEN acknowledged_at IS NOT NULL THEN 'acknowledged'
            WHEN read_at IS NOT NULL THEN 'read'
            WHEN notified_at IS NOT NULL THEN 'notified'
            ELSE 'waiting'
        END AS status,
        CAST(hour AS TINYINT) AS hour, priority, sender
    FROM delivery;

CREATE VIEW open_state_changes AS
    SELECT seq, agent_id, happened_at AS changed_at, state, reason, actor
    FROM open_events
    WHERE kind = 'state_changed';

CREATE VIEW open_agent_changes AS
    SELECT
        seq,
        happened_at AS changed_at,
        agent_id,
        payload->>'$.agent.name' AS name,
        payload->>'$.agent.team' AS team,
        CAST(payload->'$.agent.campaigns' AS VARCHAR[]) AS campaigns,
        CAST(payload->'$.agent.lists' AS VARCHAR[]) AS lists,
        CAST(payload->'$.agent.queues' AS VARCHAR[]) AS queues,
        CAST(payload->>'$.agent.active' AS BOOLEAN) AS active
    FROM open_events
    WHERE kind = 'agent_changed';

-- What was scheduled, and what became of it: a schedule's id is the number of the event that it was scheduled by.
CREATE VIEW open_schedule_changes AS
    SELECT
        seq,
        CASE kind WHEN 'scheduled' THEN seq ELSE CAST(payload->>'$.schedule_id' AS BIGINT) END AS schedule_id,
        kind,
        happened_at AS changed_at,
        actor,
        message_id,
        CASE WHEN kind <> 'sent' THEN payload END AS payload
    FROM open_events
    WHERE kind IN ('scheduled', 'withdrawn', 'not_released')
       OR (kind = 'sent' AND payload->>'$.schedule_id' IS NOT NULL);

-- An auditor asks who changed the roster, sent, scheduled, cleared down, and whatever was put on record as such.
CREATE VIEW open_audit AS
    SELECT
        seq,
        kind,
        happened_at,
        actor,
        CASE kind WHEN 'audited' THEN payload->>'$.action' ELSE kind END AS action,
        CASE kind
            WHEN 'audited' THEN payload->>'$.subject'
            WHEN 'agent_changed' THEN agent_id
            WHEN 'sent' THEN CAST(message_id AS VARCHAR)
            WHEN 'scheduled' THEN CAST(seq AS VARCHAR)
            WHEN 'withdrawn' THEN payload->>'$.schedule_id'
            WHEN 'not_released' THEN payload->>'$.schedule_id'
            ELSE payload->>'$.day'
        END AS subject,
        CASE kind
            WHEN 'audited' THEN CAST(payload->'$.detail' AS VARCHAR)
            WHEN 'sent' THEN CAST(json_object(
                'audience', payload->'$.audience', 'recipients', len(agent_ids), 'priority', payload->'$.priority'
            ) AS VARCHAR)
            WHEN 'scheduled' THEN CAST(json_object(
                'audience', payload->'$.audience', 'when', payload->'$.when', 'priority', payload->'$.priority'
            ) AS VARCHAR)
            WHEN 'cleared_down' THEN CAST(json_object(
                'by_hand', payload->'$.by_hand', 'deliveries', payload->'$.deliveries', 'lost', payload->'$.lost'
            ) AS VARCHAR)
            ELSE payload
        END AS detail
    FROM open_events
    WHERE kind IN ('audited', 'agent_changed', 'sent', 'scheduled', 'withdrawn', 'not_released', 'cleared_down');

-- --- both together, with what only coachsim itself needs (seq, what deliveries are counted by) ---

CREATE VIEW all_days AS
    SELECT * FROM closed_days UNION ALL BY NAME SELECT * FROM open_days;
CREATE VIEW all_deliveries AS
    SELECT * FROM closed_deliveries UNION ALL BY NAME SELECT * FROM open_deliveries;
CREATE VIEW all_messages AS
    SELECT * FROM closed_messages UNION ALL BY NAME SELECT * FROM open_messages;
CREATE VIEW all_state_changes AS
    SELECT * FROM closed_state_changes UNION ALL BY NAME SELECT * FROM open_state_changes;
CREATE VIEW all_agent_changes AS
    SELECT * FROM closed_agent_changes UNION ALL BY NAME SELECT * FROM open_agent_changes;
CREATE VIEW all_schedule_changes AS
    SELECT * FROM closed_schedule_changes UNION ALL BY NAME SELECT * FROM open_schedule_changes;
CREATE VIEW all_audit AS
    SELECT * FROM closed_audit UNION ALL BY NAME SELECT * FROM open_audit;

-- --- the stable names: what analysts and scripts may rely on ---

CREATE VIEW deliveries AS
    SELECT message_id, agent_id, team, day, sent_at, state_at_send, toast_at, notified_at, read_at, acknowledged_at,
           lost_at, cleared_at, status
    FROM all_deliveries;

CREATE VIEW messages AS
    SELECT message_id, day, sent_at, sender, audience, body, priority, ack_required, expires_at, recipients
    FROM all_messages;

CREATE VIEW state_changes AS
    SELECT agent_id, changed_at, state, reason, actor FROM all_state_changes;

CREATE VIEW agents AS
    SELECT agent_id, name, team, campaigns, lists, queues, active
    FROM (SELECT DISTINCT ON (agent_id) * FROM all_agent_changes ORDER BY agent_id, seq DESC);

CREATE VIEW agent_versions AS
    SELECT * FROM (
        SELECT
            agent_id, name, team, campaigns, lists, queues, active,
            changed_at AS valid_from,
            lead(changed_at) OVER (PARTITION BY agent_id ORDER BY seq) AS valid_to
        FROM all_agent_changes
    )
    WHERE valid_to IS NULL OR valid_to > valid_from;

CREATE VIEW days AS
    SELECT day, began_at, cleared_at, deliveries, lost FROM all_days WHERE day IS NOT NULL;

-- The floor's time zone may change from one day to the next; the newest day's is the one to show times in.
CREATE VIEW run AS
    SELECT
        kind, scenario, seed, version,
        coalesce((SELECT arg_max(time_zone, began_seq) FROM all_days), time_zone) AS time_zone,
        site, floor_name, created_at, format, detail
    FROM run_info;

CREATE VIEW audit AS
    SELECT happened_at, actor, action, subject, detail FROM all_audit;
