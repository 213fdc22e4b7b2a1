#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: schemas.py IN.json OUT.c -- writes the schemas as C, without blanks."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as source:
    text = json.dumps(json.load(source), separators=(",", ":")).encode()
rows = [", ".join(str(b) for b in text[i:i + 20]) for i in range(0, len(text), 20)]
with open(sys.argv[2], "w", encoding="utf-8") as out:
    out.write('#include "server/web/route.h"\n\nconst unsigned char tb_schemas_json[] = {\n    '
              + ",\n    ".join(rows) + "};\nconst size_t tb_schemas_json_size = "
              + "sizeof tb_schemas_json;\n")
