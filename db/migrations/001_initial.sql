-- SPDX-License-Identifier: GPL-3.0-or-later
-- Times are milliseconds since 1970. CHECKs are verified by quick_check at every start.

-- Parameter keys: values refer to them by number. Keys are never renamed, so rows never change.
CREATE TABLE param_key (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 8191),
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 47)
) STRICT;

CREATE TABLE patch (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 134217727),
    uuid TEXT NOT NULL UNIQUE CHECK (length(uuid) = 36),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    author TEXT NOT NULL,
    category TEXT NOT NULL,
    tags TEXT NOT NULL,                -- one a line
    comment TEXT NOT NULL,
    licence TEXT NOT NULL,
    favourite INTEGER NOT NULL CHECK (favourite IN (0, 1)),
    factory INTEGER NOT NULL CHECK (factory IN (0, 1)),
    revision INTEGER NOT NULL CHECK (revision >= 1),
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    note TEXT NOT NULL,                -- how the current revision came about
    facet TEXT NOT NULL,               -- exact category, tags and favourite as search words
    val BLOB NOT NULL                  -- compact values, see values.c
) STRICT;
CREATE INDEX patch_by_name ON patch (name COLLATE NOCASE);
CREATE INDEX patch_by_category ON patch (category COLLATE NOCASE, name COLLATE NOCASE);
CREATE INDEX patch_by_created ON patch (created);
CREATE INDEX patch_by_updated ON patch (updated);

-- Earlier states of a patch; the current one is in patch.
CREATE TABLE revision (
    patch_id INTEGER NOT NULL REFERENCES patch (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    time INTEGER NOT NULL,
    note TEXT NOT NULL,
    name TEXT NOT NULL,
    author TEXT NOT NULL,
    category TEXT NOT NULL,
    tags TEXT NOT NULL,
    comment TEXT NOT NULL,
    licence TEXT NOT NULL,
    favourite INTEGER NOT NULL,
    val BLOB NOT NULL,
    PRIMARY KEY (patch_id, revision)
) STRICT;

CREATE VIRTUAL TABLE patch_text USING fts5 (
    name, author, category, tags, comment, facet,
    content = 'patch', content_rowid = 'id', prefix = '1 2 3',
    tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER patch_inserted AFTER INSERT ON patch BEGIN
    INSERT INTO patch_text (rowid, name, author, category, tags, comment, facet)
    VALUES (new.id, new.name, new.author, new.category, new.tags, new.comment, new.facet);
END;
CREATE TRIGGER patch_deleted AFTER DELETE ON patch BEGIN
    INSERT INTO patch_text (patch_text, rowid, name, author, category, tags, comment, facet)
    VALUES ('delete', old.id, old.name, old.author, old.category, old.tags, old.comment, old.facet);
END;
CREATE TRIGGER patch_updated
AFTER UPDATE OF name, author, category, tags, comment, facet ON patch
WHEN old.name IS NOT new.name OR old.author IS NOT new.author OR old.comment IS NOT new.comment
    OR old.facet IS NOT new.facet BEGIN
    INSERT INTO patch_text (patch_text, rowid, name, author, category, tags, comment, facet)
    VALUES ('delete', old.id, old.name, old.author, old.category, old.tags, old.comment, old.facet);
    INSERT INTO patch_text (rowid, name, author, category, tags, comment, facet)
    VALUES (new.id, new.name, new.author, new.category, new.tags, new.comment, new.facet);
END;

CREATE TABLE bank (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE CHECK (length(uuid) = 36),
    name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    number INTEGER NOT NULL UNIQUE CHECK (number BETWEEN 0 AND 16383)
) STRICT;
CREATE TABLE bank_patch (
    bank_id INTEGER NOT NULL REFERENCES bank (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 127),
    patch_id INTEGER NOT NULL REFERENCES patch (id) ON DELETE CASCADE,
    PRIMARY KEY (bank_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX bank_patch_by_patch ON bank_patch (patch_id);

-- What the factory bank installed, so that an update leaves edited and deleted patches alone.
CREATE TABLE factory_patch (
    uuid TEXT PRIMARY KEY CHECK (length(uuid) = 36),
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    name TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 64),
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    role TEXT NOT NULL CHECK (role IN ('read', 'play', 'admin')),
    label TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE benchmark (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    machine TEXT NOT NULL,
    version TEXT NOT NULL,
    result TEXT NOT NULL               -- JSON
) STRICT;
CREATE INDEX benchmark_by_time ON benchmark (time);

-- Neural models: what a list shows; weights are files named by their hash.
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE CHECK (length(uuid) = 36),
    name TEXT NOT NULL,
    family TEXT NOT NULL,
    parameters INTEGER NOT NULL,       -- number of weights
    sample_rate_hz REAL NOT NULL,
    frame_rate_hz REAL NOT NULL,
    conventions TEXT NOT NULL,         -- JSON
    training TEXT NOT NULL,            -- JSON
    licence TEXT NOT NULL,
    sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    created INTEGER NOT NULL
) STRICT;
