// SPDX-License-Identifier: GPL-3.0-or-later
// The networks of this device: found, played, understood, brought in and taken out.
import { signal, useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { openImport } from './imports';
import * as models from '../core/models';
import type { Model, Slot } from '../core/models';
import { nearestNote, noteName } from '../core/pitch';
import { attempt, model, modelB, role } from '../core/store';
import { summoned } from '../core/training';
import { FAMILIES } from '../core/wire';
import { Dialog } from './dialog';
import { Icon } from './icons';
import { when } from './patchbar';
import { onRoving, useRoving } from './roving';
import { Search } from './search';

export const MODEL_SEARCH_ID = 'search-models';

const shown = signal<Model | null>(null);

const play = (uuid: string | null, slot: Slot = 'a', force = false) =>
    void attempt(() => models.play(uuid, slot, force));

/** What its name does not say already. */
function sizeOf({ name, size }: Model): string {
    return size === 'other' || name.toLowerCase().includes(size) ? '' : size;
}

function rangeText({ pitch }: Model): string {
    const name = (hz: number) => noteName(nearestNote(hz).key);
    return `${name(pitch.low_hz)}–${name(pitch.high_hz)}`;
}

export function ModelBrowser() {
    const list = useRef<HTMLUListElement>(null);
    const chips = useRef<HTMLDivElement>(null);
    useRoving(chips, '.chip');
    return (
        <section class="browser" aria-label="Models">
            <Search
                id={MODEL_SEARCH_ID}
                text="Search models"
                query={models.query.value}
                search={models.search}
                first={() => list.current?.querySelector<HTMLElement>('.row')?.focus()}
                enter={() => {
                    const first = models.items.value[0];
                    if (first) play(first.uuid);
                }}
            />
            <div class="chips" role="group" aria-label="Family" ref={chips} onKeyDown={onRoving}>
                {FAMILIES.filter((each) => each !== 'fm').map((each) => (
                    <button
                        type="button"
                        key={each}
                        class="chip"
                        aria-pressed={models.family.value === each}
                        onClick={() =>
                            (models.family.value = models.family.peek() === each ? '' : each)
                        }
                    >
                        {models.FAMILY_NAMES[each]}
                    </button>
                ))}
            </div>
            <List list={list} />
            <footer>
                <span>
                    {models.total.value} {models.total.value === 1 ? 'model' : 'models'}
                </span>
                {role.value === 'admin' && (
                    <button
                        type="button"
                        class="iconic"
                        aria-label="Make one from recordings"
                        title="Make one from recordings"
                        onClick={() => summoned.value++}
                    >
                        <Icon name="learn" />
                    </button>
                )}
                <button type="button" class="small" onClick={openImport}>
                    <Icon name="upload" /> Upload
                </button>
            </footer>
            {shown.value && <Details shown={shown.value} />}
        </section>
    );
}

function List({ list }: { list: RefObject<HTMLUListElement | null> }) {
    const end = useRef<HTMLLIElement>(null);
    useEffect(() => {
        const sight = new IntersectionObserver((entries) => {
            if (entries.some((entry) => entry.isIntersecting)) void models.more();
        });
        sight.observe(end.current!);
        return () => sight.disconnect();
    }, []);
    const ref = model.value;
    useRoving(list, '.row');
    return (
        <ul
            class="patches models"
            ref={list}
            aria-label="Models"
            onKeyDown={(event) => {
                const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
                if (!by) return;
                event.preventDefault();
                const rows = [...list.current!.querySelectorAll<HTMLElement>('.row')];
                const at = rows.findIndex((row) => row === document.activeElement);
                rows[at + by]?.focus();
            }}
        >
            <li class={ref ? '' : 'current'}>
                <button
                    type="button"
                    class="row"
                    aria-current={ref ? undefined : 'true'}
                    onClick={() => play(null)}
                >
                    <span class="names">
                        <b>No network</b>
                        <small>the patch’s own six operators</small>
                    </span>
                </button>
            </li>
            {models.items.value.map((item) => (
                <Row key={item.uuid} item={item} />
            ))}
            <li class="end" ref={end}>
                {!models.items.value.length &&
                    !models.loading.value &&
                    (models.query.value || models.family.value
                        ? 'No such model here.'
                        : 'No models yet. Drop a .safetensors file here.')}
            </li>
        </ul>
    );
}

function Row({ item }: { item: Model }) {
    const current = model.value?.uuid === item.uuid;
    const besides = modelB.value?.uuid === item.uuid;
    return (
        <li class={`${item.family} ${current ? 'current' : ''}`}>
            <button
                type="button"
                class="row"
                aria-current={current ? 'true' : undefined}
                onClick={() => play(item.uuid)}
            >
                <span class="names">
                    <b>{item.name}</b>
                    <small>
                        <i class="family">{models.FAMILY_NAMES[item.family]}</i>
                        {` ${rangeText(item)} · `}
                        <span class={item.affordable ? '' : 'bad'}>{models.formatCost(item)}</span>
                    </small>
                </span>
                {besides && <span class="slot">B</span>}
                {sizeOf(item) && <small class="size">{sizeOf(item)}</small>}
            </button>
            <button
                type="button"
                class="iconic"
                aria-label={`About ${item.name}`}
                onClick={() => (shown.value = item)}
            >
                <Icon name="more" />
            </button>
        </li>
    );
}

function facts(item: Model): [string, string][] {
    const { cost } = item;
    const all: [string, string][] = [
        ['Family', models.FAMILY_NAMES[item.family]],
        ['Instrument', item.instrument],
        ['Size', `${item.size}, ${item.parameters.toLocaleString()} weights, width ${item.width}`],
        ['File', `${models.formatBytes(item.bytes)}, ${item.sha256.slice(0, 16)}…`],
        [
            'Range',
            `${rangeText(item)} ` +
                `(${item.pitch.low_hz.toFixed(0)}–${item.pitch.high_hz.toFixed(0)} Hz), ` +
                `${item.loudness.low_db.toFixed(0)} to ${item.loudness.high_db.toFixed(0)} dB`,
        ],
        ['Trained at', `${item.sample_rate / 1000} kHz, ${item.frame_rate} frames a second`],
        [
            'Cost here',
            cost
                ? `${cost.us_per_frame.toFixed(1)} µs a frame for the first voice, ` +
                  `${cost.us_per_further.toFixed(1)} for each further; ` +
                  `${Math.floor(cost.voices)} voices, ` +
                  `${(100 * cost.share).toFixed(1)} % of a core each`
                : 'not measured yet',
        ],
        ['Source', item.source],
        ['Training', item.training],
        ['Licence', item.licence],
        ['Credit', item.credit],
        ['Here since', item.factory ? 'Ships with timbred, so it stays' : when(item.created)],
    ];
    return all.filter(([, text]) => text);
}

function Details({ shown: item }: { shown: Model }) {
    const asking = useSignal(false);
    const close = () => (shown.value = null);
    const inUse = model.value?.uuid === item.uuid || modelB.value?.uuid === item.uuid;
    const act = (work: () => Promise<unknown>) => () => {
        close();
        void attempt(work);
    };
    return (
        <Dialog title={item.name} onClose={close}>
            {!item.affordable && <p class="bad">{item.why}</p>}
            <dl class="facts">
                {facts(item).map(([name, text]) => (
                    <div key={name}>
                        <dt>{name}</dt>
                        <dd>{text}</dd>
                    </div>
                ))}
            </dl>
            {asking.value ? (
                <footer>
                    <span class="grow">
                        {inUse
                            ? 'It plays now, and goes on until the next patch. Delete it?'
                            : 'Delete its file from this device?'}
                    </span>
                    <button type="button" class="small" onClick={() => (asking.value = false)}>
                        Cancel
                    </button>
                    <button
                        type="button"
                        class="small danger"
                        onClick={act(() => models.remove(item.uuid))}
                    >
                        Delete
                    </button>
                </footer>
            ) : (
                <footer>
                    {role.value === 'admin' && !item.factory && (
                        <button
                            type="button"
                            class="iconic"
                            aria-label="Delete …"
                            onClick={() => (asking.value = true)}
                        >
                            <Icon name="trash" />
                        </button>
                    )}
                    <button
                        type="button"
                        class="iconic"
                        aria-label="Download"
                        onClick={act(() => models.download(item))}
                    >
                        <Icon name="download" />
                    </button>
                    <span class="grow" />
                    {model.value && (
                        <button
                            type="button"
                            class="small"
                            onClick={act(() => models.play(item.uuid, 'b'))}
                        >
                            Play as B
                        </button>
                    )}
                    <button
                        type="button"
                        class="small primary"
                        onClick={act(() => models.play(item.uuid))}
                    >
                        Play
                    </button>
                </footer>
            )}
        </Dialog>
    );
}

/** Too large for this device: says why, names the smaller one, lets the person insist. */
export function Refused() {
    const now = models.refused.value;
    if (!now) return null;
    const close = () => (models.refused.value = null);
    return (
        <Dialog title="Too large for this device" onClose={close}>
            <p>{now.why}</p>
            <footer>
                <button type="button" class="small" onClick={close}>
                    Leave it
                </button>
                <button
                    type="button"
                    class="small danger"
                    onClick={() => play(now.uuid, now.slot, true)}
                >
                    Play it all the same
                </button>
            </footer>
        </Dialog>
    );
}
