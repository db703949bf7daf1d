"""Tables of the embedded store: those of basf2's local metadata files, and two of our own beside them.

basf2 reads such a file when it is named in ``BELLE2_CONDB_METADATA`` and its folder in ``BELLE2_CONDB_PAYLOADS``.
Table and column names, the application id and the version are basf2's; constraints and triggers are ours: what is
published cannot be changed, not even by another program that opens the file. ``smartbkg_digest`` holds the digest of
all other tables (`smartbkg.conditions.integrity`).
"""

from __future__ import annotations

from typing import Final

#: Marks the SQLite file as a conditions database (basf2's number).
APPLICATION_ID: Final = 0xB2CDB
#: Version of basf2's layout; another one is refused.
LAYOUT_VERSION: Final = 1

SCHEMA: Final = """
CREATE TABLE baseUrls (baseUrlId INTEGER PRIMARY KEY, baseUrl TEXT UNIQUE);
CREATE TABLE payloadNames (payloadNameId INTEGER PRIMARY KEY, payloadName TEXT UNIQUE);
CREATE TABLE payloads (
    payloadId INTEGER PRIMARY KEY,
    payloadNameId INTEGER NOT NULL REFERENCES payloadNames (payloadNameId),
    revision INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    payloadUrl TEXT DEFAULT NULL,
    baseUrlId INTEGER NOT NULL REFERENCES baseUrls (baseUrlId),
    UNIQUE (payloadNameId, revision)
);
CREATE TABLE globaltags (
    globalTagId INTEGER PRIMARY KEY,
    globalTagName TEXT UNIQUE,
    globalTagStatus TEXT NOT NULL
);
CREATE TABLE iovs (
    globalTagId INTEGER NOT NULL REFERENCES globaltags (globalTagId),
    payloadId INTEGER NOT NULL REFERENCES payloads (payloadId),
    firstExp INTEGER NOT NULL,
    firstRun INTEGER NOT NULL,
    finalExp INTEGER NOT NULL,
    finalRun INTEGER NOT NULL
);
CREATE UNIQUE INDEX iov_index ON iovs (globalTagId, firstExp, firstRun, finalExp, finalRun, payloadId);
CREATE VIEW full_payloads AS
    SELECT payloadId, payloadName, revision, checksum,
           ifnull(payloadUrl, 'dbstore/' || payloadName || '/dbstore_' || payloadName || '_rev_' || revision || '.root')
               AS payloadUrl, baseUrl
    FROM payloads NATURAL JOIN payloadNames NATURAL JOIN baseUrls;
CREATE VIEW iov_payloads AS
    SELECT globalTagName, payloadId, payloadName, revision, checksum,
           firstExp, firstRun, finalExp, finalRun, payloadUrl, baseUrl
    FROM globaltags NATURAL JOIN iovs NATURAL JOIN full_payloads;

CREATE TABLE smartbkg_payloads (payloadId INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, n_bytes INTEGER NOT NULL);
CREATE TABLE smartbkg_globaltags (globalTagId INTEGER PRIMARY KEY, description TEXT NOT NULL);
CREATE TABLE smartbkg_digest (sha256 TEXT NOT NULL);

CREATE TRIGGER closed_tag_insert BEFORE INSERT ON iovs
    WHEN (SELECT globalTagStatus FROM globaltags WHERE globalTagId = NEW.globalTagId) <> 'OPEN'
    BEGIN SELECT RAISE(ABORT, 'the global tag is not open'); END;
CREATE TRIGGER closed_tag_update BEFORE UPDATE ON iovs
    WHEN (SELECT globalTagStatus FROM globaltags WHERE globalTagId = OLD.globalTagId) <> 'OPEN'
    BEGIN SELECT RAISE(ABORT, 'the global tag is not open'); END;
CREATE TRIGGER closed_tag_delete BEFORE DELETE ON iovs
    WHEN (SELECT globalTagStatus FROM globaltags WHERE globalTagId = OLD.globalTagId) <> 'OPEN'
    BEGIN SELECT RAISE(ABORT, 'the global tag is not open'); END;
CREATE TRIGGER published_tag_update BEFORE UPDATE ON globaltags
    WHEN OLD.globalTagStatus = 'PUBLISHED' AND (NEW.globalTagStatus <> 'INVALID'
        OR NEW.globalTagName <> OLD.globalTagName OR NEW.globalTagId <> OLD.globalTagId)
    BEGIN SELECT RAISE(ABORT, 'the global tag is published'); END;
CREATE TRIGGER published_tag_delete BEFORE DELETE ON globaltags WHEN OLD.globalTagStatus <> 'OPEN'
    BEGIN SELECT RAISE(ABORT, 'the global tag is not open'); END;
CREATE TRIGGER payload_update BEFORE UPDATE ON payloads
    BEGIN SELECT RAISE(ABORT, 'payloads are immutable'); END;
CREATE TRIGGER payload_delete BEFORE DELETE ON payloads
    BEGIN SELECT RAISE(ABORT, 'payloads are immutable'); END;
"""
