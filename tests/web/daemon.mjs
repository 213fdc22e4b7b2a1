// SPDX-License-Identifier: GPL-3.0-or-later
// The real daemon in a directory of its own, on a free port.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_MS = 10_000;

export class Daemon {
    state = mkdtempSync(join(tmpdir(), 'timbred-panel-'));
    port = 0;
    token = '';
    log = '';

    constructor(program, options = []) {
        this.program = program;
        this.options = options;
    }

    /** On the port of before, where there was one. */
    async start() {
        const args = [
            'serve',
            `--server.port=${this.port}`,
            '--server.listen=127.0.0.1',
            '--state',
            this.state,
            '--audio.driver=null',
            ...this.options,
        ];
        this.child = spawn(this.program, args, {
            stdio: ['ignore', 'pipe', 'pipe'],
        });
        this.ended = new Promise((resolve) => this.child.once('exit', resolve));
        let text = '';
        const found = new Promise((resolve, reject) => {
            const timer = setTimeout(
                () => reject(new Error(`no link printed:\n${text}`)),
                START_MS,
            );
            const read = (data) => {
                text += data;
                this.log += data;
                const link = /http:\/\/127\.0\.0\.1:(\d+)\/#token=([\w-]+)/.exec(text);
                if (!link) return;
                clearTimeout(timer);
                resolve(link);
            };
            this.child.stdout.on('data', read);
            this.child.stderr.on('data', read);
            this.child.once('exit', (code) => reject(new Error(`ended with ${code}:\n${text}`)));
        });
        const [, port, token] = await found;
        this.port = Number(port);
        this.token = token;
    }

    get origin() {
        return `http://127.0.0.1:${this.port}`;
    }

    get link() {
        return `${this.origin}/#token=${this.token}`;
    }

    async api(method, path, body, headers = {}) {
        const response = await fetch(`${this.origin}/api/v1${path}`, {
            method,
            headers: {
                Authorization: `Bearer ${this.token}`,
                'Content-Type': 'application/json',
                ...headers,
            },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        const text = await response.text();
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
        return text ? JSON.parse(text) : null;
    }

    async kill() {
        this.child.kill('SIGKILL');
        await this.ended;
    }

    async stop() {
        this.child.kill('SIGTERM');
        await this.ended;
        rmSync(this.state, { recursive: true, force: true });
    }
}
