// SPDX-License-Identifier: GPL-3.0-or-later
// Import by drop anywhere or by button; says what came of it.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { filesOf } from '../core/files';
import * as models from '../core/models';
import * as patches from '../core/patches';
import { isRecording } from '../core/runs';
import { attempt } from '../core/store';
import { addFiles, summoned } from '../core/training';
import { Dialog } from './dialog';

interface Result {
    file: string;
    imported: patches.Imported | models.Model;
}

const FILES = '.syx,.dx7,.json,.bin,.mid,.safetensors';
const results = signal<Result[]>([]);
const working = signal('');
const dragging = signal(false);
let chooser: HTMLInputElement | null = null;

export function openImport(): void {
    chooser?.click();
}

async function take(files: File[]): Promise<void> {
    const recordings = files.filter(({ name }) => isRecording(name));
    if (recordings.length) {
        summoned.value++;
        void addFiles(recordings);
    }
    for (const file of files.filter(({ name }) => !isRecording(name))) {
        working.value = file.name;
        const imported = await attempt<Result['imported']>(() =>
            models.isModelFile(file) ? models.upload(file) : patches.importFile(file),
        );
        if (imported) results.value = [...results.peek(), { file: file.name, imported }];
    }
    working.value = '';
}

export function Imports() {
    const input = useRef<HTMLInputElement>(null);
    useEffect(() => {
        chooser = input.current;
        const over = (event: DragEvent) => {
            if (!event.dataTransfer?.types.includes('Files')) return;
            event.preventDefault();
            dragging.value = true;
        };
        const leave = (event: DragEvent) => {
            if (!event.relatedTarget) dragging.value = false;
        };
        const drop = (event: DragEvent) => {
            event.preventDefault();
            dragging.value = false;
            void filesOf(event.dataTransfer).then(take);
        };
        addEventListener('dragover', over);
        addEventListener('dragleave', leave);
        addEventListener('drop', drop);
        return () => {
            removeEventListener('dragover', over);
            removeEventListener('dragleave', leave);
            removeEventListener('drop', drop);
        };
    }, []);
    return (
        <>
            <input
                ref={input}
                type="file"
                class="hidden"
                accept={FILES}
                multiple
                aria-label="Import files"
                tabIndex={-1}
                onChange={(event) => {
                    const files = [...(event.currentTarget.files ?? [])];
                    event.currentTarget.value = '';
                    void take(files);
                }}
            />
            {(dragging.value || working.value) && (
                <div class="drop" role="status">
                    {models.uploading.value ? (
                        <span>
                            {models.uploading.value.name}{' '}
                            <progress max={1} value={models.uploading.value.share} />
                        </span>
                    ) : working.value ? (
                        `Importing ${working.value} …`
                    ) : (
                        'Drop a cartridge, a model, or recordings to learn from'
                    )}
                </div>
            )}
            {results.value.length > 0 && !working.value && (
                <Dialog title="Imported" onClose={() => (results.value = [])}>
                    {results.value.map(({ file, imported }) =>
                        'family' in imported ? (
                            <NewModel key={file} model={imported} />
                        ) : (
                            <Summary key={file} file={file} imported={imported} />
                        ),
                    )}
                </Dialog>
            )}
        </>
    );
}

function NewModel({ model }: { model: models.Model }) {
    const play = () => {
        results.value = [];
        void attempt(() => models.play(model.uuid));
    };
    return (
        <section class="import-result">
            <p>
                <b>{model.name}</b>: {models.FAMILY_NAMES[model.family]},{' '}
                {models.formatBytes(model.bytes)}, {models.formatCost(model)}.
            </p>
            {!model.affordable && <p class="warnings">{model.why}</p>}
            <p class="created">
                <button type="button" class="small primary" onClick={play}>
                    Play
                </button>
            </p>
        </section>
    );
}

function Summary({ file, imported }: { file: string; imported: patches.Imported }) {
    const { created, bank, warnings, skipped } = imported;
    const known = skipped === 1 ? '1 patch is' : `${skipped} patches are`;
    return (
        <section class="import-result">
            {created.length > 0 || skipped === 0 ? (
                <p>
                    <b>{created.length}</b> {created.length === 1 ? 'patch' : 'patches'} from {file}
                    {bank && ` into the bank “${bank.name}”`}
                    {skipped > 0 && `; ${known} in your library already`}.
                </p>
            ) : (
                <p>
                    {file}: {skipped === 1 ? 'its patch is' : `all ${skipped} are`} in your library
                    already.
                </p>
            )}
            {warnings.length > 0 && (
                <div class="warnings">
                    <small>Found in the file</small>
                    <ul>
                        {warnings.map((warning) => (
                            <li key={warning}>{warning}</li>
                        ))}
                    </ul>
                </div>
            )}
            <ul class="created">
                {created.map(({ uuid, name }) => (
                    <li key={uuid}>
                        <button
                            type="button"
                            class="small"
                            onClick={() => {
                                patches.load(uuid);
                                results.value = [];
                            }}
                        >
                            {name}
                        </button>
                    </li>
                ))}
            </ul>
        </section>
    );
}
