// SPDX-License-Identifier: GPL-3.0-or-later
// Two models at once: what stands at A and B, the fade between them, and the morph.
import type { Section } from '../core/layout';
import * as models from '../core/models';
import type { Slot } from '../core/models';
import { attempt, edit, model, modelB, value } from '../core/store';
import { Control } from './control';

export function AbPage({ section }: { section: Section }) {
    const params = section.groups.flatMap((group) => group.params);
    const mix = params.find(({ key }) => key.endsWith('.mix'));
    const rest = params.filter((param) => param !== mix);
    const share = mix ? value(mix.key).value : 0;
    return (
        <div class="page ab">
            <SlotChoice slot="a" />
            <div class="fade">
                <div class="row-of">
                    <button
                        type="button"
                        class="small"
                        aria-label="Only A"
                        aria-pressed={share === 0}
                        onClick={() => mix && edit(mix, 0)}
                    >
                        A
                    </button>
                    {mix && <Control param={mix} bar />}
                    <button
                        type="button"
                        class="small"
                        aria-label="Only B"
                        aria-pressed={share === 1}
                        disabled={!modelB.value}
                        onClick={() => mix && edit(mix, 1)}
                    >
                        B
                    </button>
                </div>
                <div class="row-of">
                    {rest.map((param) => (
                        <Control key={param.key} param={param} />
                    ))}
                    <button
                        type="button"
                        class="small"
                        disabled={!modelB.value}
                        onClick={() => void attempt(models.swap)}
                    >
                        Swap A and B
                    </button>
                </div>
            </div>
            <SlotChoice slot="b" />
        </div>
    );
}

function SlotChoice({ slot }: { slot: Slot }) {
    const now = slot === 'a' ? model.value : modelB.value;
    const known = models.items.value;
    return (
        <label class={`control choice slot-${slot}`}>
            <span class="name">Model {slot.toUpperCase()}</span>
            <select
                value={now?.uuid ?? ''}
                onChange={(event) =>
                    void attempt(() => models.play(event.currentTarget.value || null, slot))
                }
            >
                <option value="">{slot === 'a' ? 'No network' : 'Nothing'}</option>
                {now && !known.some(({ uuid }) => uuid === now.uuid) && (
                    <option value={now.uuid}>{now.name}</option>
                )}
                {known.map(({ uuid, name }) => (
                    <option key={uuid} value={uuid}>
                        {name}
                    </option>
                ))}
            </select>
        </label>
    );
}
