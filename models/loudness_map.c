/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "models/loudness_map.h"

#include <math.h>
#include <string.h>

_Static_assert((int)TB_MODEL_MAX_ROWS == (int)TB_LOUDNESS_MAX_PITCHES &&
                   (int)TB_MODEL_MAX_COLUMNS == (int)TB_LOUDNESS_MAX_LEVELS,
               "a file's offsets are the engine's");

void tb_loudness_map_of(const struct tb_model_meta *m, struct tb_loudness_map *map)
{
    const struct tb_model_grid *g = &m->loudness_offsets;
    const double octaves = log2(m->pitch_high_hz / m->pitch_low_hz);
    *map = (struct tb_loudness_map){.n_pitches = g->n_rows,
                                    .n_levels = g->n_columns,
                                    .low_octave = (float)log2(m->pitch_low_hz),
                                    .octaves = 1,
                                    .floor_db = (float)m->loudness_floor_db,
                                    .step_db = 1};
    if (g->n_rows > 1 && octaves > 0)
        map->octaves = (float)(octaves / (g->n_rows - 1));
    if (g->n_columns > 1)
        map->step_db = (float)(m->loudness_range_db / (g->n_columns - 1));
    for (unsigned r = 0; r < g->n_rows; r++)
        memcpy(map->offset_db[r], g->value[r], sizeof g->value[r]);
}
