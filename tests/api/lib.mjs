// SPDX-License-Identifier: GPL-3.0-or-later
// A daemon of our own for a test file, and clients that can also misbehave. Every exchange through
// api() is checked against the daemon's own OpenAPI document.
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv2020 from 'ajv/dist/2020.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const program = process.env.TIMBRED ?? join(root, 'build', 'server', 'timbred');
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Daemon {
    constructor(options = []) {
        this.options = options;
        this.state = mkdtempSync(join(tmpdir(), 'timbred-api-'));
        this.called = new Set();
        this.output = '';
    }

    async start() {
        const args = [
            'serve',
            '--server.port=0',
            '--server.listen=127.0.0.1',
            '--state',
            this.state,
            '--models.zoo=none', // a test that wants one gives its own
        ];
        this.started = process.hrtime.bigint();
        this.child = spawn(program, [...args, '--audio.driver=null', ...this.options], {
            stdio: ['ignore', 'pipe', 'pipe'],
        });
        this.exited = new Promise((resolve) => this.child.on('exit', (code) => resolve(code)));
        const seen = this.output.length;
        for (const stream of [this.child.stdout, this.child.stderr])
            stream.on('data', (data) => (this.output += data));
        for (let i = 0; i < 200; i++) {
            const text = this.output.slice(seen);
            const listening = /listening http:\/\/127\.0\.0\.1:(\d+)/.exec(text);
            const token = /#token=(\S+)/.exec(text);
            if (listening && token) {
                this.port = Number(listening[1]);
                this.token = token[1];
                await this.ready();
                this.openapi ??= (await this.settled('/api/v1/openapi.json')).json;
                this.validator ??= new Validator(this.openapi);
                return this;
            }
            if (this.child.exitCode !== null) break;
            await sleep(20);
        }
        throw new Error(`the daemon does not start:\n${this.output}`);
    }

    // The answer of a web role that may be killed meanwhile: the next one gives it.
    async settled(path) {
        for (let i = 0; i < 100; i++) {
            const answer = await this.plain('GET', path).catch(() => null);
            if (answer?.status === 200) return answer;
            await sleep(20);
        }
        throw new Error('the daemon does not answer');
    }

    // The port after a restart of the web role may be another one.
    ready() {
        return this.settled('/api/v1/health');
    }

    async stop(signal = 'SIGTERM') {
        if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
        return this.exited;
    }

    // kill -9 of everything at once
    async kill() {
        const web = this.webPid();
        await this.stop('SIGKILL');
        await sleep(100);
        try {
            process.kill(web, 'SIGKILL');
        } catch {
            return; // it went with its parent
        }
    }

    async end() {
        const code = await this.stop();
        rmSync(this.state, { recursive: true, force: true });
        return code;
    }

    webPid() {
        for (const entry of readdirSync('/proc')) {
            if (!/^\d+$/.test(entry)) continue;
            try {
                const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
                const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
                const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
                if (command.includes('--role=web') && Number(parent) === this.child.pid)
                    if (state !== 'Z') return Number(entry);
            } catch {
                continue; // it ended meanwhile
            }
        }
        return null;
    }

    // Kills the web role and waits for the next one; its port is told on stdout.
    async killWeb() {
        const seen = this.output.length;
        const old = this.webPid();
        process.kill(old, 'SIGKILL');
        for (let i = 0; i < 300; i++) {
            const listening = /listening http:\/\/127\.0\.0\.1:(\d+)/.exec(this.output.slice(seen));
            if (listening) {
                this.port = Number(listening[1]);
                return this.ready();
            }
            await sleep(10);
        }
        throw new Error(`the web role does not come back:\n${this.output}`);
    }

    plain(method, path, { body, headers = {}, token, host } = {}) {
        return new Promise((resolve, reject) => {
            const all = { Host: host ?? `127.0.0.1:${this.port}`, ...headers };
            if (token) all.Authorization = `Bearer ${token}`;
            if (body !== undefined) all['Content-Length'] = Buffer.byteLength(body);
            const request = http.request(
                {
                    host: '127.0.0.1',
                    port: this.port,
                    method,
                    path,
                    headers: all,
                    agent: this.agent,
                },
                (answer) => {
                    const chunks = [];
                    answer.on('data', (chunk) => chunks.push(chunk));
                    answer.on('end', () => {
                        const data = Buffer.concat(chunks);
                        const result = {
                            status: answer.statusCode,
                            headers: answer.headers,
                            data,
                        };
                        if (/json/.test(answer.headers['content-type'] ?? '')) {
                            try {
                                result.json = JSON.parse(data.toString());
                            } catch {
                                result.json = undefined;
                            }
                        }
                        resolve(result);
                    });
                },
            );
            request.on('error', reject);
            request.end(body);
        });
    }

    // One call below /api/v1, by JSON, with the admin token; validated.
    async api(method, path, body, { headers = {}, token = this.token, type } = {}) {
        const all = { ...headers };
        let data = body;
        if (body !== undefined && !Buffer.isBuffer(body) && typeof body !== 'string')
            data = JSON.stringify(body);
        if (data !== undefined) all['Content-Type'] = type ?? 'application/json';
        const answer = await this.plain(method, `/api/v1${path}`, {
            body: data,
            headers: all,
            token,
        });
        const operation = this.validator.check(method, path, answer, body, all['Content-Type']);
        if (operation && answer.status < 400) this.called.add(operation);
        return answer;
    }

    uncalled() {
        return Object.values(this.openapi.paths)
            .flatMap((path) => Object.values(path))
            .map((operation) => operation.operationId)
            .filter((id) => !this.called.has(id));
    }
}

// Every exchange against the document: path, method, status, type, schema of both bodies.
export class Validator {
    constructor(document) {
        this.ajv = new Ajv2020({
            strict: false,
            allErrors: true,
            formats: { date: true },
        });
        this.ajv.addSchema(document, 'doc');
        this.operations = [];
        for (const [path, methods] of Object.entries(document.paths))
            for (const [method, operation] of Object.entries(methods)) {
                const pattern = path.replace(/[.]/g, '\\.').replace(/\{[^}]*\}/g, '[^/]+');
                this.operations.push({
                    operation,
                    method: method.toUpperCase(),
                    pattern: new RegExp(`^${pattern}$`),
                });
            }
    }

    validate(schema, value, what) {
        const name = schema.$ref?.replace('#', 'doc#');
        const check = name ? this.ajv.getSchema(name) : this.ajv.compile(schema);
        if (!check(value))
            throw new Error(
                `${what}: ${this.ajv.errorsText(check.errors)}\n${JSON.stringify(value)}`,
            );
    }

    check(method, target, answer, body, bodyType) {
        const path = target.split('?')[0];
        const found = this.operations.find((o) => o.method === method && o.pattern.test(path));
        const what = `${method} ${target} -> ${answer.status}`;
        if (!found) {
            if (answer.status < 400) throw new Error(`${what}: not in the document`);
            this.validate({ $ref: '#/components/schemas/Problem' }, answer.json, what);
            return null;
        }
        const { operation } = found;
        const response = operation.responses[answer.status] ?? operation.responses.default;
        if (answer.status < 400 && !operation.responses[answer.status])
            throw new Error(`${what}: status not in the document`);
        const type = (answer.headers['content-type'] ?? '').split(';')[0];
        if (response.content && answer.status !== 304) {
            if (!response.content[type])
                throw new Error(`${what}: type "${type}" not in the document`);
            const schema = response.content[type].schema;
            if (schema?.$ref) this.validate(schema, answer.json, what);
        } else if (answer.data.length > 0) {
            throw new Error(`${what}: a body that the document does not know`);
        }
        const sent = operation.requestBody?.content?.[bodyType]?.schema;
        if (sent && answer.status < 400) this.validate(sent, body, `${what}: request`);
        return operation.operationId;
    }
}

// Bytes in, bytes out: for everything that a proper client would not send. null half-closes.
export async function raw(port, chunks, { wait = 400, gap = 0, until } = {}) {
    const socket = net.connect(port, '127.0.0.1');
    let data = Buffer.alloc(0);
    let closed = false;
    socket.on('data', (chunk) => (data = Buffer.concat([data, chunk])));
    socket.on('close', () => (closed = true));
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.setNoDelay(true);
    for (const chunk of chunks) {
        if (chunk === null) socket.end();
        else if (!socket.destroyed) socket.write(chunk);
        if (gap) await sleep(gap);
    }
    const end = Date.now() + wait;
    while (Date.now() < end && !closed && !(until && until.test(data.toString('latin1'))))
        await sleep(10);
    socket.destroy();
    const text = data.toString('latin1');
    return {
        text,
        data,
        closed,
        statuses: [...text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((m) => +m[1]),
    };
}

export const handshake = (port, { path = '/ws', extra = '', host = `127.0.0.1:${port}` } = {}) =>
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
    `Sec-WebSocket-Protocol: timbred.v1\r\n${extra}\r\n`;

export function frame(payload, { opcode = 1, fin = true, mask = true, rsv = 0 } = {}) {
    const data = Buffer.from(payload);
    const n = data.length;
    const head = n < 126 ? Buffer.alloc(2) : n < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
    head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
    head[1] = (mask ? 0x80 : 0) | (n < 126 ? n : n < 65536 ? 126 : 127);
    if (n >= 65536) head.writeBigUInt64BE(BigInt(n), 2);
    else if (n >= 126) head.writeUInt16BE(n, 2);
    if (!mask) return Buffer.concat([head, data]);
    const key = crypto.randomBytes(4);
    return Buffer.concat([head, key, data.map((byte, i) => byte ^ key[i & 3])]);
}

// A WebSocket client small enough to be seen through, for node 18 and 20 have none.
export class Socket {
    constructor() {
        this.messages = [];
        this.binary = [];
        this.waiting = [];
        this.closed = false;
        this.code = null;
        this.rest = Buffer.alloc(0);
        this.upgraded = false;
        this.answering = true; // pings
    }

    static async open(
        daemon,
        { token = daemon.token, topics = [], hello = true, local, extra } = {},
    ) {
        const s = new Socket();
        s.socket = net.connect({
            port: daemon.port,
            host: '127.0.0.1',
            localAddress: local,
        });
        s.socket.setNoDelay(true);
        s.socket.on('error', () => {});
        s.socket.on('close', () => s.#close());
        s.socket.on('data', (data) => s.#take(data));
        s.socket.write(handshake(daemon.port, { extra }));
        await s.until(() => s.upgraded || s.closed);
        if (s.closed) throw new Error('handshake refused');
        if (hello) {
            s.send({ type: 'hello', token, topics });
            s.welcome = await s.next((m) => m.type === 'welcome');
        }
        return s;
    }

    #close() {
        this.closed = true;
        this.#wake();
    }

    #wake() {
        for (const check of this.waiting.splice(0)) check();
    }

    #take(data) {
        this.rest = Buffer.concat([this.rest, data]);
        if (!this.upgraded) {
            const end = this.rest.indexOf('\r\n\r\n');
            if (end < 0) return;
            this.upgraded = / 101 /.test(this.rest.subarray(0, end).toString());
            this.rest = this.rest.subarray(end + 4);
            if (!this.upgraded) this.socket.destroy();
        }
        for (;;) {
            if (this.rest.length < 2) break;
            let n = this.rest[1] & 127;
            let head = 2;
            if (n === 126)
                ((n = this.rest.length < 4 ? Infinity : this.rest.readUInt16BE(2)), (head = 4));
            else if (n === 127)
                ((n = this.rest.length < 10 ? Infinity : Number(this.rest.readBigUInt64BE(2))),
                    (head = 10));
            if (this.rest.length < head + n) break;
            const opcode = this.rest[0] & 15;
            const payload = this.rest.subarray(head, head + n);
            this.rest = this.rest.subarray(head + n);
            if (opcode === 1)
                this.messages.push({
                    ...JSON.parse(payload.toString()),
                    at: performance.now(),
                });
            else if (opcode === 2)
                this.binary.push({ data: Buffer.from(payload), at: performance.now() });
            else if (opcode === 9 && this.answering)
                this.socket.write(frame(payload, { opcode: 10 }));
            else if (opcode === 8) this.code = n >= 2 ? payload.readUInt16BE(0) : 0;
        }
        this.#wake();
    }

    send(message) {
        this.socket.write(frame(JSON.stringify(message)));
    }

    write(data) {
        this.socket.write(data);
    }

    async until(condition, ms = 5000) {
        const end = Date.now() + ms;
        while (!condition()) {
            if (Date.now() > end) throw new Error('nothing came in time');
            await Promise.race([
                new Promise((resolve) => this.waiting.push(resolve)),
                sleep(Math.min(100, end - Date.now() + 1)),
            ]);
        }
    }

    // The first message that fits, taken out of the queue.
    async next(fits, ms = 5000) {
        await this.until(() => this.messages.some(fits) || this.closed, ms);
        const i = this.messages.findIndex(fits);
        if (i < 0) throw new Error(`closed (${this.code}) before the message came`);
        return this.messages.splice(i, 1)[0];
    }

    async ask(message) {
        const id = crypto.randomUUID();
        this.send({ ...message, id });
        return this.next((m) => m.id === id);
    }

    end() {
        this.socket.destroy();
    }
}

// A packed DX7 voice of 128 bytes, and a single dump of 163, made here.
export function singleVoice(name = 'TEST VOICE') {
    const op = [99, 99, 99, 99, 99, 99, 99, 0, 39, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7];
    const voice = [];
    for (let i = 6; i >= 1; i--) voice.push(...op.slice(0, 16), i === 1 ? 99 : 0, ...op.slice(17));
    voice.push(99, 99, 99, 99, 50, 50, 50, 50, 0, 0, 1, 35, 0, 0, 0, 1, 0, 3, 24);
    voice.push(...Buffer.from(name.padEnd(10)));
    const sum = -voice.reduce((a, b) => a + b, 0) & 127;
    return Buffer.from([0xf0, 0x43, 0, 0, 1, 0x1b, ...voice, sum, 0xf7]);
}
