-- Run whenever the database is opened. To tables of an earlier version migration.py has added the columns that they
-- lack: a new one needs a default, or may be NULL. A greater version keeps earlier programs out of it.

PRAGMA user_version = 2;

-- The store ---------------------------------------------------------------------------------------------------

-- One row for each prediction: a snapshot of what its events have made of it, and what only the store knows.
CREATE TABLE IF NOT EXISTS predictions (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    account      TEXT NOT NULL,
    model        TEXT NOT NULL,
    lane         INTEGER NOT NULL DEFAULT 0,
    ticket       INTEGER NOT NULL DEFAULT 0,         -- its number in the lane

    status       TEXT NOT NULL,
    attempt      INTEGER NOT NULL,
    charged      INTEGER NOT NULL,
    suspect      TEXT NOT NULL DEFAULT '',
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
    due          REAL NOT NULL DEFAULT 0,            -- from when on what waits may be claimed
    lease        REAL NOT NULL DEFAULT 0,            -- until when the run is its worker's
    heeded       TEXT NOT NULL DEFAULT '',           -- the events that its webhook is told of, by commas
    mend_at      REAL NOT NULL DEFAULT 0,            -- from when the sweeper may find that the lease has lapsed
    overdue_at   REAL,                               -- from when the sweeper may find that a deadline has passed

    retention    REAL,                               -- seconds that the data stays after the end; NULL: for ever
    expires_at   REAL,                               -- from when the data, or then the record, is to go
    reused       TEXT NOT NULL DEFAULT '',           -- the prediction whose output it has
    removed      INTEGER NOT NULL DEFAULT 0,         -- whether the data has gone
    cap          INTEGER,                            -- how many of its account may run with it; NULL: any
    gone         INTEGER NOT NULL DEFAULT 0          -- whether it was deleted, and only keeps its messages from running
);

-- For search, and for how much an account has outstanding. An id sorts by time.
CREATE INDEX IF NOT EXISTS predictions_by_status ON predictions (account, status, id);
CREATE INDEX IF NOT EXISTS predictions_by_model ON predictions (account, model, status, id);
CREATE INDEX IF NOT EXISTS predictions_running ON predictions (mend_at) WHERE status = 'processing';
CREATE INDEX IF NOT EXISTS predictions_with_deadline ON predictions (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS predictions_expiring ON predictions (expires_at) WHERE expires_at IS NOT NULL;

-- The logs. Number 0 is the prediction as it was submitted; the events are numbered from 1.
CREATE TABLE IF NOT EXISTS log (
    prediction INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    data       BLOB NOT NULL,
    PRIMARY KEY (prediction, number)
) WITHOUT ROWID;

-- Predictions whose publish has not been confirmed.
CREATE TABLE IF NOT EXISTS outbox (
    id         TEXT PRIMARY KEY,
    created_at REAL NOT NULL,
    held_until REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Predictions whose askers wait for a reply; owed from when they have ended.
CREATE TABLE IF NOT EXISTS replies (
    prediction INTEGER PRIMARY KEY,
    held_until REAL NOT NULL DEFAULT 0
);

-- Predictions with a webhook: up to which number of the log it has been told, and when it was last told of an update.
CREATE TABLE IF NOT EXISTS hooks (
    seq        INTEGER PRIMARY KEY,
    told       INTEGER NOT NULL,
    updated_at REAL NOT NULL DEFAULT 0,
    silenced   INTEGER NOT NULL DEFAULT 0,           -- whether it wants no calls any more
    look_at    REAL                                  -- from when on there is news to be told; none without it
);
CREATE INDEX IF NOT EXISTS hooks_with_news ON hooks (look_at) WHERE look_at IS NOT NULL;

-- The latest calls of webhooks.
CREATE TABLE IF NOT EXISTS calls (
    number     INTEGER PRIMARY KEY,
    prediction INTEGER NOT NULL,
    data       BLOB NOT NULL                         -- JSON
);
CREATE INDEX IF NOT EXISTS calls_by_prediction ON calls (prediction, number);

-- The secrets by which webhooks are signed.
CREATE TABLE IF NOT EXISTS hook_secrets (
    account TEXT PRIMARY KEY,
    secret  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS cards (
    model TEXT PRIMARY KEY,
    data  BLOB NOT NULL
) WITHOUT ROWID;

-- Whoever opens the database is its only owner: the workers of a former one are gone.
DROP TABLE IF EXISTS presence;
CREATE TABLE presence (
    model      TEXT NOT NULL,
    worker     TEXT NOT NULL,
    expires_at REAL NOT NULL,
    problem    TEXT,
    PRIMARY KEY (model, worker)
) WITHOUT ROWID;

-- What has failed for good. It stands for itself: its record may be gone.
CREATE TABLE IF NOT EXISTS letters (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    model   TEXT NOT NULL,  -- empty of a foreign message
    body    BLOB NOT NULL,
    failure BLOB NOT NULL   -- JSON: the event
);
CREATE INDEX IF NOT EXISTS letters_by_model ON letters (model, id);

-- Creates that may be sent again, and what they have created.
CREATE TABLE IF NOT EXISTS once (
    account     TEXT NOT NULL,
    key         TEXT NOT NULL,
    prediction  TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    expires_at  REAL NOT NULL,
    PRIMARY KEY (account, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS once_by_expiry ON once (expires_at);
CREATE INDEX IF NOT EXISTS once_by_prediction ON once (prediction);

-- Predictions whose answer did not reach the client, and whose create was answered with them when it came again.
CREATE TABLE IF NOT EXISTS missed (
    account    TEXT NOT NULL,
    key        TEXT NOT NULL,
    prediction TEXT NOT NULL,
    taker      TEXT NOT NULL,  -- the prediction that would have been created; empty: nobody's yet
    expires_at REAL NOT NULL,
    PRIMARY KEY (account, key, prediction)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS missed_by_prediction ON missed (prediction);

-- Clients' files: what is known of them. Without `kept` the blob is only expected.
CREATE TABLE IF NOT EXISTS uploads (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    expires_at REAL NOT NULL,
    held_until REAL NOT NULL DEFAULT 0,
    kept       INTEGER NOT NULL,
    data       BLOB NOT NULL   -- JSON
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_by_account ON uploads (account, id);
CREATE INDEX IF NOT EXISTS uploads_by_expiry ON uploads (expires_at);

CREATE TABLE IF NOT EXISTS secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- The API keys.
CREATE TABLE IF NOT EXISTS credentials (
    digest  TEXT PRIMARY KEY,
    data    BLOB NOT NULL,  -- JSON
    used_at REAL
) WITHOUT ROWID;

-- What accounts may, where that is not what the settings say.
CREATE TABLE IF NOT EXISTS allowances (
    account TEXT PRIMARY KEY,
    data    BLOB NOT NULL   -- JSON
) WITHOUT ROWID;

-- What is left of each account's rate; full again whenever the database is opened.
CREATE TEMP TABLE buckets (
    account TEXT PRIMARY KEY,
    tokens  REAL NOT NULL,
    at      REAL NOT NULL
) WITHOUT ROWID;

-- Which prediction runs, or has run, for all that ask for the same.
CREATE TABLE IF NOT EXISTS leaders (
    key        TEXT PRIMARY KEY,
    prediction TEXT NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leaders_by_expiry ON leaders (expires_at);

-- The broker --------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS queues (
    model TEXT PRIMARY KEY
) WITHOUT ROWID;

-- What waits or is in a worker's hand; an acknowledged message is deleted.
CREATE TABLE IF NOT EXISTS messages (
    position INTEGER PRIMARY KEY,
    model    TEXT NOT NULL,
    lane     INTEGER NOT NULL,
    body     BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_by_lane ON messages (model, lane);

CREATE TABLE IF NOT EXISTS delayed (
    seq   INTEGER PRIMARY KEY,
    due   REAL NOT NULL,
    model TEXT NOT NULL,
    lane  INTEGER NOT NULL,
    body  BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS delayed_by_due ON delayed (due);

-- What was rejected, until the sweeper has seen to it.
CREATE TABLE IF NOT EXISTS rejected (
    seq    INTEGER PRIMARY KEY,
    at     REAL NOT NULL,
    reason TEXT NOT NULL,
    model  TEXT NOT NULL,
    lane   INTEGER NOT NULL,
    body   BLOB NOT NULL
);

-- And so are the runs of those workers.
UPDATE predictions SET lease = 0, mend_at = 0 WHERE status = 'processing';

-- The lines ---------------------------------------------------------------------------------------------------

-- How many predictions have entered and left each lane, and how many have left without a run; how many runs have ended
-- and how long these took together. In memory, as they follow from the records: on disk they would be two pages more
-- in every transaction.
CREATE TEMP TABLE lanes (
    model   TEXT NOT NULL,
    lane    INTEGER NOT NULL,
    entered INTEGER NOT NULL DEFAULT 0,
    "left"  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (model, lane)
) WITHOUT ROWID;

CREATE TEMP TABLE paces (
    model   TEXT PRIMARY KEY,
    quit    INTEGER NOT NULL DEFAULT 0,
    ended   INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

INSERT INTO lanes
SELECT model, lane, max(ticket), max(ticket) - sum(status = 'starting')
FROM predictions WHERE seq IN (SELECT seq FROM predictions WHERE status IN ('starting', 'processing'))
GROUP BY model, lane;

-- What the latest runs took is known again; `quit` makes up the difference, so that as many run as there are.
INSERT INTO paces (model, ended, seconds)
SELECT model, count(*), sum(max(0, completed_at - started_at)) FROM (
    SELECT model, completed_at, started_at FROM predictions ORDER BY seq DESC LIMIT 1000
) WHERE completed_at IS NOT NULL AND started_at IS NOT NULL
GROUP BY model;
INSERT OR IGNORE INTO paces (model) SELECT DISTINCT model FROM lanes;
UPDATE paces SET quit =
    (SELECT coalesce(sum("left"), 0) FROM lanes WHERE lanes.model = paces.model)
    - (SELECT count(*) FROM predictions WHERE predictions.model = paces.model AND status = 'processing')
    - ended;
