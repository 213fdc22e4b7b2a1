// SPDX-License-Identifier: GPL-3.0-or-later
// The WebSocket: greets, keeps itself alive, comes back with growing pauses.
import { token } from './api';

const PROTOCOL = 'timbred.v1';
const PAUSES_MS = [250, 500, 1000, 2000, 4000, 8000];
const PING_MS = 4000;
const SILENCE_MS = 10_000;

export type Message = { type: string } & Record<string, unknown>;
export type Link = 'connecting' | 'open' | 'lost' | 'refused';

export interface Listener {
    link(state: Link, retryInMs: number): void;
    message(message: Message): void;
    binary(buffer: ArrayBuffer): void;
    latency(ms: number): void;
}

export class Socket {
    private socket: WebSocket | null = null;
    private attempt = 0;
    private retry = 0;
    private heartbeat = 0;
    private heard = 0;
    private welcomed = false;
    private topics: string[] = [];

    constructor(private readonly listener: Listener) {
        addEventListener('online', () => this.hurry());
        document.addEventListener('visibilitychange', () => {
            if (!document.hidden) this.hurry();
        });
    }

    get open(): boolean {
        return this.welcomed;
    }

    connect(topics: string[]): void {
        this.topics = topics;
        this.attempt = 0;
        this.dial();
    }

    subscribe(topics: string[]): void {
        this.topics = topics;
        this.send({ type: 'subscribe', topics });
    }

    /** false when there is no connection; nothing is queued for later. */
    send(message: Message): boolean {
        if (!this.welcomed || !this.socket) return false;
        this.socket.send(JSON.stringify(message));
        return true;
    }

    sendBytes(data: ArrayBuffer): void {
        if (this.welcomed) this.socket?.send(data);
    }

    private dial(): void {
        clearTimeout(this.retry);
        this.drop();
        this.listener.link('connecting', 0);
        const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
        const socket = new WebSocket(`${scheme}://${location.host}/ws`, PROTOCOL);
        socket.binaryType = 'arraybuffer';
        this.socket = socket;
        this.heard = performance.now();
        socket.onopen = () => {
            const hello = { type: 'hello', token: token(), topics: this.topics };
            socket.send(JSON.stringify(hello));
        };
        socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.receive(event.data);
        socket.onclose = () => this.lost();
        clearInterval(this.heartbeat);
        this.heartbeat = window.setInterval(() => this.beat(), PING_MS);
    }

    private receive(data: string | ArrayBuffer): void {
        this.heard = performance.now();
        if (typeof data !== 'string') {
            this.listener.binary(data);
            return;
        }
        const message = JSON.parse(data) as Message;
        if (message.type === 'pong') {
            this.listener.latency(performance.now() - Number(message.t));
        } else if (message.type === 'error' && !this.welcomed) {
            const status = Number(message.status);
            if (status === 401 || status === 403) this.refuse();
        } else if (message.type === 'welcome') {
            this.welcomed = true;
            this.attempt = 0;
            this.listener.message(message);
            this.listener.link('open', 0);
            this.beat();
        } else {
            this.listener.message(message);
        }
    }

    private beat(): void {
        if (performance.now() - this.heard > SILENCE_MS) this.lost();
        else this.send({ type: 'ping', t: performance.now() });
    }

    private refuse(): void {
        clearTimeout(this.retry);
        this.drop();
        this.listener.link('refused', 0);
    }

    private lost(): void {
        this.drop();
        const pause = PAUSES_MS[Math.min(this.attempt, PAUSES_MS.length - 1)]!;
        const jittered = pause * (0.8 + 0.4 * Math.random());
        this.attempt++;
        this.listener.link('lost', jittered);
        clearTimeout(this.retry);
        this.retry = window.setTimeout(() => this.dial(), jittered);
    }

    private hurry(): void {
        if (this.socket || this.attempt === 0) return;
        this.dial();
    }

    private drop(): void {
        clearInterval(this.heartbeat);
        this.welcomed = false;
        const socket = this.socket;
        this.socket = null;
        if (!socket) return;
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
    }
}
