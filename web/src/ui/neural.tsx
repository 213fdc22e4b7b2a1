// SPDX-License-Identifier: GPL-3.0-or-later
// The instrument when a network plays: its plate, what it decides, and the operators it drives.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../core/api';
import type { Operator } from '../core/layout';
import * as models from '../core/models';
import { arrangement, families, model, modelB, schema, value } from '../core/store';
import { wavetables } from '../core/tables';
import { Control } from './control';
import { LevelHistory } from './operator';
import { BandsView, CurvesView, HarmonicsView, RangeView, TablesView, WaveView } from './views';

/** Opens the list of models, wherever this screen keeps it. */
export type Browse = () => void;

export function playsNetwork(): boolean {
    return model.value !== null && !model.value.missing;
}

/** true while the input drives the network. */
export function driven(): boolean {
    const source = schema.value?.params.find(({ key }) => key === 'transfer.source');
    return source !== undefined && value(source.key).value > 0.5;
}

export function Plate({ browse }: { browse: Browse }) {
    const ref = model.value!;
    const known = models.playing.value;
    return (
        <button
            type="button"
            class={`plain plate ${known?.family ?? ''}`}
            title="Choose another model"
            onClick={browse}
        >
            <small>
                {known ? models.FAMILY_NAMES[known.family] : 'Model'}
                {known && known.size !== 'other' && <i>{known.size}</i>}
            </small>
            <b>{ref.name}</b>
            {known && (
                <span>
                    {models.formatBytes(known.bytes)} · {models.formatCost(known)}
                    {known.cost && ` · ${known.cost.us_per_frame.toFixed(1)} µs`}
                </span>
            )}
            {modelB.value && <span class="with-b">B {modelB.value.name}</span>}
        </button>
    );
}

/** A patch whose network is not here says so, and what would mend it. */
export function Missing({ browse }: { browse: Browse }) {
    const gone = [model.value, modelB.value].filter((ref) => ref?.missing);
    if (!gone.length) return null;
    return (
        <div class="missing" role="alert">
            {gone.map((ref) => (
                <p key={ref!.sha256}>
                    <b>“{ref!.name}” is missing on this device.</b> Plain FM plays in its place.
                    Upload the file whose SHA-256 begins with{' '}
                    <code>{ref!.sha256.slice(0, 12)}</code> and it sounds at once.
                </p>
            ))}
            <button type="button" class="small" onClick={browse}>
                Models
            </button>
        </div>
    );
}

/** The tables of a model, fetched once when they are looked at. */
function useTables(uuid: string | undefined): Float32Array[] | null {
    const tables = useSignal<Float32Array[] | null>(null);
    useEffect(() => {
        tables.value = null;
        if (!uuid) return;
        let wanted = true;
        api.request('GET', `/models/${uuid}/file`)
            .then((response) => response.arrayBuffer())
            .then((file) => {
                if (wanted) tables.value = wavetables(file);
            })
            .catch(() => undefined); // Without the tables there is no wave to draw.
        return () => {
            wanted = false;
        };
    }, [uuid]);
    return tables.value;
}

function Wavetables({ known }: { known: models.Model | null }) {
    const tables = useTables(known?.uuid);
    return (
        <>
            <WaveView tables={tables} />
            <TablesView />
        </>
    );
}

/** The model that is heard more; the device shows what that one decides. */
export function louder(): models.Model | null {
    const mix = schema.value?.params.find(({ key }) => key === 'ab.mix');
    const b = mix !== undefined && value(mix.key).value > 0.5 && modelB.value !== null;
    return b ? models.playingB.value : models.playing.value;
}

/** What that model has to show. */
export function Decisions() {
    const known = louder();
    const shown = known?.family ?? families.value[0];
    const operators = shown === 'ddx7' || shown === 'fm_envelope';
    return (
        <div class={operators ? 'decisions with-operators' : 'decisions'}>
            {shown === 'hpn' && <HarmonicsView />}
            {shown === 'wavetable' && <Wavetables known={known} />}
            {operators && <Operators bends={arrangement.value!.bends} />}
            {!operators && <BandsView model={known} />}
            <RangeView model={known} />
        </div>
    );
}

/** On a small screen the one picture that says most. */
export function MainDecision() {
    const known = louder();
    const tables = useTables(known?.family === 'wavetable' ? known.uuid : undefined);
    if (known?.family === 'hpn') return <HarmonicsView />;
    if (known?.family === 'wavetable') return <WaveView tables={tables} />;
    return (
        <div class="all-levels">
            {arrangement.value!.bends.map(({ number }) => (
                <LevelHistory key={number} number={number} />
            ))}
        </div>
    );
}

function Operators({ bends }: { bends: Operator[] }) {
    return (
        <div class="neural-strips">
            {bends.map((operator) => (
                <NeuralStrip key={operator.number} operator={operator} />
            ))}
        </div>
    );
}

function NeuralStrip({ operator: { number, rest } }: { operator: Operator }) {
    return (
        <section class={`strip op-${number}`} aria-label={`Operator ${number}`}>
            <header>
                <span class="badge">{number}</span>
            </header>
            <LevelHistory number={number} />
            <div class="knobs">
                {rest.map((param) => (
                    <Control key={param.key} param={param} />
                ))}
            </div>
        </section>
    );
}

export function CurvesNow() {
    return <CurvesView model={louder()} input={driven()} />;
}
