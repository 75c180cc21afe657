-- A database of the first version, as it is left behind by a kill: its schema, and a few rows.

PRAGMA user_version = 1;

-- The store ---------------------------------------------------------------------------------------------------

-- One row for each prediction: a snapshot of what its events have made of it, and what only the store knows.
CREATE TABLE predictions (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    account      TEXT NOT NULL,
    model        TEXT NOT NULL,

    status       TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    charged      INTEGER NOT NULL,
    worker       TEXT NOT NULL DEFAULT '',
    output       BLOB NOT NULL DEFAULT x'6e756c6c',  -- JSON: null
    output_blob  BLOB,                               -- JSON
    error        TEXT,
    stopped      TEXT,
    progress     REAL,
    started_at   REAL,
    completed_at REAL,

    length       INTEGER NOT NULL DEFAULT 1,         -- entries in its log
    canceling    INTEGER NOT NULL DEFAULT 0,         -- whether a cancel was requested while it ran
    live         INTEGER NOT NULL DEFAULT 0,         -- whether a run has reported: only the log knows everything then
    holder       TEXT NOT NULL DEFAULT '',           -- the worker of the latest run
    appended     INTEGER NOT NULL DEFAULT 0,         -- the number of that run's latest append
    lease        REAL NOT NULL DEFAULT 0,            -- until when the run is its worker's
    mend_at      REAL NOT NULL DEFAULT 0             -- from when the sweeper may find that the lease has lapsed
);

-- For search, and for how much an account has outstanding. An id sorts by time.
CREATE INDEX predictions_by_status ON predictions (account, status, id);
CREATE INDEX predictions_by_model ON predictions (account, model, status, id);
CREATE INDEX predictions_running ON predictions (mend_at) WHERE status = 'processing';

-- The logs. Number 0 is the prediction as it was submitted; the events are numbered from 1.
CREATE TABLE log (
    prediction INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (prediction, number)
) WITHOUT ROWID;

-- Predictions whose publish has not been confirmed.
CREATE TABLE outbox (
    id         TEXT PRIMARY KEY,
    created_at REAL NOT NULL,
    held_until REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE cards (
    model TEXT PRIMARY KEY,
    data  BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE presence (
    model      TEXT NOT NULL,
    worker     TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (model, worker)
) WITHOUT ROWID;

-- The broker --------------------------------------------------------------------------------------------------

CREATE TABLE queues (
    model TEXT PRIMARY KEY
) WITHOUT ROWID;

-- What waits or is in a worker's hand; an acknowledged message is deleted.
CREATE TABLE messages (
    position INTEGER PRIMARY KEY,
    model    TEXT NOT NULL,
    lane     INTEGER NOT NULL,
    body     BLOB NOT NULL
);
CREATE INDEX messages_by_lane ON messages (model, lane);

CREATE TABLE delayed (
    seq   INTEGER PRIMARY KEY,
    due   REAL NOT NULL,
    model TEXT NOT NULL,
    lane  INTEGER NOT NULL,
    body  BLOB NOT NULL
);
CREATE INDEX delayed_by_due ON delayed (due);

CREATE TABLE dead (
    seq    INTEGER PRIMARY KEY,
    at     REAL NOT NULL,
    reason TEXT NOT NULL,
    model  TEXT NOT NULL,
    lane   INTEGER NOT NULL,
    body   BLOB NOT NULL
);

-- What is in it ------------------------------------------------------------------------------------------------

INSERT INTO queues VALUES ('local/double');
INSERT INTO presence VALUES ('local/double', 'host-1-0a', 1795580510.0);

INSERT INTO predictions (seq, id, account, model, status, attempt, charged, worker, output, started_at, completed_at,
    length, holder, lease, mend_at) VALUES
    (1, 'ended', 'local', 'local/double', 'succeeded', 1, 0, 'host-1-0a', x'32', 1795580480.1, 1795580480.2,
    3, 'host-1-0a', 1795580510.0, 1795580510.0);
INSERT INTO predictions (seq, id, account, model, status, attempt, charged, worker, started_at, length, holder, lease,
    mend_at) VALUES
    (2, 'runs', 'local', 'local/double', 'processing', 1, 0, 'host-1-0a', 1795580480.3, 2, 'host-1-0a', 1795580510.0,
    1795580510.0);
INSERT INTO predictions (seq, id, account, model, status, attempt, charged) VALUES
    (3, 'waits', 'local', 'local/double', 'starting', 0, 0);

INSERT INTO log SELECT column1, column2, CAST(column3 AS BLOB) FROM (VALUES
    (1, 0, '{"id":"ended","model":"local/double","input":{"n":1},"created_at":1795580480.0,"version":"v"}'),
    (1, 1, '{"type":"queued","at":1795580480.0}'),
    (1, 2, '{"type":"started","at":1795580480.1,"attempt":1,"worker":"host-1-0a"}'),
    (1, 3, '{"type":"succeeded","at":1795580480.2,"attempt":1,"output":2}'),
    (2, 0, '{"id":"runs","model":"local/double","input":{"n":2},"created_at":1795580480.2,"version":"v"}'),
    (2, 1, '{"type":"queued","at":1795580480.2}'),
    (2, 2, '{"type":"started","at":1795580480.3,"attempt":1,"worker":"host-1-0a"}'),
    (3, 0, '{"id":"waits","model":"local/double","input":{"n":3},"created_at":1795580480.4,"version":"v","lane":1}'),
    (3, 1, '{"type":"queued","at":1795580480.4}'));

INSERT INTO messages SELECT position, model, lane, CAST(body AS BLOB) FROM (
    SELECT 1 AS position, 'local/double' AS model, 0 AS lane,
        '{"id":"runs","model":"local/double","input":{"n":2},"created_at":1795580480.2,"version":"v"}' AS body
    UNION SELECT 2, 'local/double', 1,
        '{"id":"waits","model":"local/double","input":{"n":3},"created_at":1795580480.4,"version":"v","lane":1}');

INSERT INTO dead VALUES (1, 1795580480.5, 'no message', 'local/double', 0, CAST('hello' AS BLOB));
