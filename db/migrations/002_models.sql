-- SPDX-License-Identifier: GPL-3.0-or-later
-- Neural models: what lists and details show; weights are files named by their hash. The table of
-- 001 never had rows.
DROP TABLE model;
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE CHECK (length(uuid) = 36),
    sha256 TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 96),
    instrument TEXT NOT NULL,          -- what it imitates; models of one are offered for each other
    family TEXT NOT NULL,
    size TEXT NOT NULL,
    parameters INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    sample_rate INTEGER NOT NULL,      -- Hz
    frame_rate REAL NOT NULL,          -- Hz
    width INTEGER NOT NULL,
    pitch_low_hz REAL NOT NULL,
    pitch_high_hz REAL NOT NULL,
    loudness_low_db REAL NOT NULL,
    loudness_high_db REAL NOT NULL,
    licence TEXT NOT NULL,
    credit TEXT NOT NULL,
    source TEXT NOT NULL,
    training TEXT NOT NULL,
    factory TEXT NOT NULL,             -- file name in the zoo; '' is an upload
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    first_us REAL NOT NULL,            -- a frame of the first voice, measured here
    further_us REAL NOT NULL,          -- and of each further one
    machine TEXT NOT NULL              -- where it was measured; '' is not yet
) STRICT;

-- What a patch plays through: two lines "uuid sha256 name", either may be empty; '' is plain FM.
ALTER TABLE patch ADD COLUMN models TEXT NOT NULL DEFAULT '';
ALTER TABLE revision ADD COLUMN models TEXT NOT NULL DEFAULT '';
