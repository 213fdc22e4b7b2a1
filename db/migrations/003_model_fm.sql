-- SPDX-License-Identifier: GPL-3.0-or-later
-- How the operators of an FM model are wired and tuned, as JSON; '' is a family without operators.
-- Rows from before are checked again at the next start, as on another machine.
ALTER TABLE model ADD COLUMN fm TEXT NOT NULL DEFAULT '';
UPDATE model SET machine = '' WHERE family IN ('ddx7', 'fm_envelope');
