// SPDX-License-Identifier: GPL-3.0-or-later
// REST, with the token that the link brought.

export const ROOT = '/api/v1';
const TOKEN_KEY = 'timbred.token';

export class Problem extends Error {
    constructor(
        readonly status: number,
        detail: string,
        readonly field?: string,
        /** The current revision, where a stale one was refused. */
        readonly etag?: string | null,
    ) {
        super(detail);
    }
}

/** Out of the address bar into this browser, so that the link can be shared without it. */
export function takeTokenFromAddress(): boolean {
    // What is called a token is one, however it looks: the device will say that it is none.
    const match = /^#(?:(?:token|t)=(.+)|([\w.~-]{8,}))$/.exec(location.hash);
    if (!match) return false;
    keepToken(match[1] ?? match[2]!);
    history.replaceState(null, '', location.pathname + location.search);
    return true;
}

export function token(): string {
    try {
        return localStorage.getItem(TOKEN_KEY) ?? '';
    } catch {
        return '';
    }
}

export function keepToken(value: string): void {
    try {
        localStorage.setItem(TOKEN_KEY, value);
    } catch {
        // A browser that stores nothing asks again next time.
    }
}

interface Options {
    body?: unknown;
    /** Sent as it is, with this type. */
    raw?: { type: string; data: Blob | ArrayBuffer | string };
    type?: string;
    ifMatch?: string;
}

export async function request(
    method: string,
    path: string,
    options: Options = {},
): Promise<Response> {
    const headers: Record<string, string> = { Authorization: `Bearer ${token()}` };
    if (options.ifMatch) headers['If-Match'] = options.ifMatch;
    const init: RequestInit = { method, headers, cache: 'no-store' };
    if (options.raw) {
        headers['Content-Type'] = options.raw.type;
        init.body = options.raw.data;
    } else if (method !== 'GET') {
        headers['Content-Type'] = options.type ?? 'application/json';
        if (options.body !== undefined) init.body = JSON.stringify(options.body);
        else if (method !== 'DELETE') init.body = '{}';
    }
    let response: Response;
    try {
        response = await fetch(ROOT + path, init);
    } catch {
        throw new Problem(0, 'The device does not answer.');
    }
    if (!response.ok) throw await problem(response);
    return response;
}

async function problem(response: Response): Promise<Problem> {
    const text = await response.text().catch(() => '');
    return problemOf(response.status, response.statusText, text, response.headers.get('ETag'));
}

/** text: of a problem document, if it is one. */
export function problemOf(
    status: number,
    title: string,
    text: string,
    etag?: string | null,
): Problem {
    let detail = `${status} ${title}`;
    let field: string | undefined;
    try {
        const body = JSON.parse(text) as { detail?: string; title?: string; field?: string };
        detail = body.detail ?? body.title ?? detail;
        field = body.field;
    } catch {
        // Not a problem document: the status has to do.
    }
    return new Problem(status, detail, field, etag);
}

export async function get<T>(path: string): Promise<T> {
    return (await request('GET', path)).json() as Promise<T>;
}

export async function send<T>(
    method: string,
    path: string,
    body?: unknown,
    options: Options = {},
): Promise<T | null> {
    const response = await request(method, path, { ...options, body });
    if (response.status === 204) return null;
    const text = await response.text();
    return text ? (JSON.parse(text) as T) : null;
}

/** fetch does not tell how far an upload is, so this is the older way. told: 0..1. */
export function upload<T>(
    path: string,
    file: Blob,
    told: (share: number) => void,
): Promise<{ status: number; body: T }> {
    const sent = new XMLHttpRequest();
    sent.open('POST', ROOT + path);
    sent.setRequestHeader('Authorization', `Bearer ${token()}`);
    sent.setRequestHeader('Content-Type', 'application/octet-stream');
    sent.upload.onprogress = ({ loaded }) => told(loaded / Math.max(1, file.size));
    const done = new Promise<{ status: number; body: T }>((resolve, reject) => {
        sent.onload = () => {
            const { status, statusText, responseText: text } = sent;
            if (status < 300) resolve({ status, body: JSON.parse(text) as T });
            else reject(problemOf(status, statusText, text));
        };
        sent.onerror = () => reject(new Problem(0, 'The device does not answer.'));
    });
    sent.send(file);
    return done;
}

/** Fetches a file and gives it to the browser's downloads. */
export async function download(path: string, name: string): Promise<void> {
    give(await (await request('GET', path)).blob(), name);
}

/** Puts a file among the browser's downloads. */
export function give(blob: Blob, name: string): void {
    const address = URL.createObjectURL(blob);
    const link = document.createElement('a');
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
