// SPDX-License-Identifier: GPL-3.0-or-later
// The loaded patch: its name, what can be done with it, and the dialogs for that.
import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../core/api';
import * as patches from '../core/patches';
import { attempt, command, flags, patch } from '../core/store';
import { Dialog } from './dialog';
import { Icon, type IconName } from './icons';

type Open = 'menu' | 'save-as' | 'rename' | 'revisions' | 'delete' | null;
export const open = signal<Open>(null);

const close = () => (open.value = null);

export function saveNow(): void {
    if (patch.peek()) void attempt(() => patches.save());
    else open.value = 'save-as';
}

export function PatchName() {
    const now = patch.value;
    const item = patches.items.value.find(({ uuid }) => uuid === now?.uuid);
    return (
        <div class="patchname">
            <button
                type="button"
                class="iconic"
                aria-label="Previous patch"
                onClick={() => void patches.step(-1)}
            >
                <Icon name="left" />
            </button>
            <div class="title">
                <h1>
                    {now?.name ?? 'Untitled'}
                    {flags.value.modified && (
                        <span class="modified" role="img" aria-label="modified" />
                    )}
                </h1>
                <small>
                    {flags.value.comparing ? 'comparing: as saved' : now?.category || 'patch'}
                </small>
            </div>
            <button
                type="button"
                class="iconic"
                aria-label="Next patch"
                onClick={() => void patches.step(1)}
            >
                <Icon name="right" />
            </button>
            {item && (
                <button
                    type="button"
                    class={item.favourite ? 'iconic heart on' : 'iconic heart'}
                    aria-pressed={item.favourite}
                    aria-label="Favourite"
                    onClick={() => patches.favour(item)}
                >
                    <Icon name="heart" fill={item.favourite} />
                </button>
            )}
        </div>
    );
}

export function PatchActions() {
    const { modified, comparing, can_undo, can_redo } = flags.value;
    return (
        <div class="actions">
            <button
                type="button"
                class="iconic"
                aria-label="Undo"
                disabled={!can_undo}
                onClick={() => command({ type: 'undo' })}
            >
                <Icon name="undo" />
            </button>
            <button
                type="button"
                class="iconic"
                aria-label="Redo"
                disabled={!can_redo}
                onClick={() => command({ type: 'redo' })}
            >
                <Icon name="redo" />
            </button>
            <button
                type="button"
                class="small compare"
                aria-pressed={comparing}
                aria-label="AB: compare with the saved patch"
                disabled={!modified && !comparing}
                onClick={() => command({ type: 'compare', on: !comparing })}
            >
                <span class={comparing ? '' : 'now'}>A</span>
                <span class={comparing ? 'now' : ''}>B</span>
            </button>
            <button type="button" class="small primary" disabled={!modified} onClick={saveNow}>
                Save
            </button>
            <button
                type="button"
                class="iconic"
                aria-label="More about this patch"
                onClick={() => (open.value = 'menu')}
            >
                <Icon name="more" />
            </button>
        </div>
    );
}

export function PatchDialogs() {
    const now = patch.value;
    if (patches.conflict.value) return <Conflict />;
    switch (open.value) {
        case 'menu':
            return <Menu />;
        case 'save-as':
            return <DetailsForm title="Save as" button="Save" save={patches.saveAs} />;
        case 'rename':
            return (
                now && (
                    <DetailsForm
                        title="Name and tags"
                        button="Keep"
                        uuid={now.uuid}
                        save={(d) => patches.change(now.uuid, d)}
                    />
                )
            );
        case 'revisions':
            return now && <Revisions uuid={now.uuid} />;
        case 'delete':
            return now && <Delete uuid={now.uuid} name={now.name} />;
        default:
            return null;
    }
}

function Menu() {
    const now = patch.value;
    const listed = patches.items.value.find(({ uuid }) => uuid === now?.uuid);
    const asked = useSignal<patches.Kind | undefined>(undefined);
    useEffect(() => {
        if (now) void attempt(() => patches.kindOf(now.uuid)).then((kind) => (asked.value = kind));
    }, [now?.uuid]);
    const { factory, network } = asked.value ?? listed ?? { factory: false, network: false };
    // What cannot be stays in reach of the Tab key, so that the reason is heard, too.
    const item = (icon: IconName, text: string, act: () => void, why: string | false = false) => (
        <button
            type="button"
            class={icon === 'trash' ? 'menu-item bad' : 'menu-item'}
            disabled={icon !== 'save' && !now}
            aria-disabled={why ? 'true' : undefined}
            onClick={why ? undefined : act}
        >
            <Icon name={icon} />
            <span>
                {text} {why && <small>{why}</small>}
            </span>
        </button>
    );
    const run = (work: () => Promise<unknown>) => () => {
        close();
        void attempt(work);
    };
    const export_ = (format: string) =>
        run(() =>
            api.download(
                `/patches/${now!.uuid}/export?format=${format}`,
                patches.fileName(now!.name, format),
            ),
        );
    return (
        <Dialog title={now?.name ?? 'Untitled'} onClose={close}>
            <nav class="menu" aria-label="Patch">
                {item('save', 'Save as …', () => (open.value = 'save-as'))}
                {item('pen', 'Name, category and tags …', () => (open.value = 'rename'))}
                {item('clock', 'Revisions …', () => (open.value = 'revisions'))}
                {item(
                    'copy',
                    'Duplicate',
                    run(() => patches.duplicate(now!.uuid)),
                )}
                {item(
                    'download',
                    'Export for a DX7 (.syx)',
                    export_('syx'),
                    network && 'A network plays it: only as .json',
                )}
                {item('download', 'Export with everything (.json)', export_('json'))}
                {item(
                    'trash',
                    'Delete …',
                    () => (open.value = 'delete'),
                    factory && 'Ships with timbred, so it stays',
                )}
            </nav>
        </Dialog>
    );
}

interface FormProps {
    title: string;
    button: string;
    /** Whose details to begin with; those of the loaded patch where absent. */
    uuid?: string;
    save(details: Partial<patches.Details>): Promise<void>;
}

function DetailsForm({ title, button, uuid, save }: FormProps) {
    const details = useSignal<Partial<patches.Details> | null>(null);
    useEffect(() => {
        const from = uuid ?? patch.peek()?.uuid;
        if (!from) details.value = {};
        else
            void attempt(() => api.get<patches.Details>(`/patches/${from}`)).then(
                (known) => (details.value = known ?? {}),
            );
    }, []);
    const known = details.value;
    if (!known) return null;
    const submit = (event: SubmitEvent) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget as HTMLFormElement);
        const text = (name: string) => String(form.get(name) ?? '').trim();
        const tags = text('tags')
            .split(',')
            .map((tag) => tag.trim())
            .filter(Boolean);
        void attempt(async () => {
            await save({
                name: text('name'),
                category: text('category'),
                author: text('author'),
                tags,
                comment: text('comment'),
            });
            close();
        });
    };
    return (
        <Dialog title={title} onClose={close}>
            <form class="details" onSubmit={submit}>
                <label>
                    Name
                    <input
                        name="name"
                        required
                        maxLength={64}
                        defaultValue={known.name ?? ''}
                        autofocus
                    />
                </label>
                <label>
                    Category
                    <input
                        name="category"
                        list="categories"
                        maxLength={64}
                        defaultValue={known.category ?? ''}
                    />
                </label>
                <datalist id="categories">
                    {patches.categories.value.map(({ name }) => (
                        <option key={name} value={name} />
                    ))}
                </datalist>
                <label>
                    Tags, with commas
                    <input name="tags" defaultValue={(known.tags ?? []).join(', ')} />
                </label>
                <label>
                    Author
                    <input name="author" maxLength={64} defaultValue={known.author ?? ''} />
                </label>
                <label>
                    Comment
                    <textarea name="comment" rows={2} defaultValue={known.comment ?? ''} />
                </label>
                <footer>
                    <button type="button" class="small" onClick={close}>
                        Cancel
                    </button>
                    <button type="submit" class="small primary">
                        {button}
                    </button>
                </footer>
            </form>
        </Dialog>
    );
}

interface Revision {
    revision: number;
    /** ms since 1970 */
    time: number;
    name: string;
    note: string;
}

function Revisions({ uuid }: { uuid: string }) {
    const list = useSignal<Revision[] | null>(null);
    useEffect(() => {
        void attempt(() => api.get<{ items: Revision[] }>(`/patches/${uuid}/revisions`)).then(
            (answer) => (list.value = answer?.items ?? []),
        );
    }, []);
    const revert = (revision: number) =>
        attempt(async () => {
            await api.send('POST', `/patches/${uuid}/revert`, { revision });
            patches.load(uuid);
            close();
        });
    return (
        <Dialog title="Revisions" onClose={close}>
            <ul class="plainlist">
                {list.value?.map(({ revision, time, name, note }) => (
                    <li key={revision}>
                        <span>
                            <b>{revision}</b> {name}{' '}
                            <small>
                                {when(time)}
                                {note && ` · ${note}`}
                            </small>
                        </span>
                        <button
                            type="button"
                            class="small"
                            disabled={revision === patch.value?.revision}
                            onClick={() => void revert(revision)}
                        >
                            Revert
                        </button>
                    </li>
                ))}
            </ul>
        </Dialog>
    );
}

/** ms: since 1970 */
export function when(ms: number): string {
    return new Date(ms).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

function Delete({ uuid, name }: { uuid: string; name: string }) {
    return (
        <Dialog title="Delete" onClose={close}>
            <p>Delete “{name}” and its revisions? This cannot be undone.</p>
            <footer>
                <button type="button" class="small" onClick={close}>
                    Cancel
                </button>
                <button
                    type="button"
                    class="small danger"
                    onClick={() => {
                        close();
                        void attempt(() => patches.remove(uuid));
                    }}
                >
                    Delete
                </button>
            </footer>
        </Dialog>
    );
}

function Conflict() {
    const done = () => (patches.conflict.value = null);
    const now = patch.value;
    const keep = () => {
        const etag = patches.conflict.peek()?.etag;
        done();
        void attempt(() => patches.save(etag ?? '*'));
    };
    const theirs = () => {
        done();
        if (now) patches.load(now.uuid);
    };
    return (
        <Dialog title="Changed by somebody else" onClose={done}>
            <p>
                “{now?.name}” was saved from another panel since you loaded it. Both versions stay
                among its revisions.
            </p>
            <footer>
                <button type="button" class="small" onClick={theirs}>
                    Take theirs
                </button>
                <button type="button" class="small primary" onClick={keep}>
                    Keep mine
                </button>
            </footer>
        </Dialog>
    );
}
