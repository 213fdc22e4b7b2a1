// SPDX-License-Identifier: GPL-3.0-or-later
// usage: node rest.mjs [SECONDS]  -- prints figures as JSON; goals.json says what is wanted.
// At 16 connections: reading one patch (wrk, with token) and durable changes (synchronous=FULL,
// values that really change, each with the ETag of the last). The client shares the machine.
import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from '../api/lib.mjs';

const seconds = Number(process.argv[2] ?? 3);
const d = await new Daemon().start();
const uuids = [];
for (let i = 0; i < 16; i++)
    uuids.push((await d.api('POST', '/patches', { name: `Bench ${i}` })).json.uuid);

function reads() {
    const url = `http://127.0.0.1:${d.port}/api/v1/patches/${uuids[0]}`;
    const token = `Authorization: Bearer ${d.token}`;
    const text = execFileSync('wrk', ['-t1', '-c16', `-d${seconds}s`, '-H', token, url]).toString();
    if (/Non-2xx/.test(text)) throw new Error(text);
    return Number(/Requests\/sec: +([\d.]+)/.exec(text)[1]);
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
function change(uuid, revision) {
    return new Promise((resolve, reject) => {
        const values = { 'fm.feedback': revision % 8, 'fm.algorithm': (revision % 31) + 1 };
        const body = JSON.stringify({ values });
        const headers = {
            Authorization: `Bearer ${d.token}`,
            'Content-Type': 'application/json',
            'If-Match': `"${revision}"`,
            'Content-Length': body.length,
        };
        const path = `/api/v1/patches/${uuid}`;
        const options = {
            host: '127.0.0.1',
            port: d.port,
            agent,
            method: 'PATCH',
            path,
            headers,
        };
        const request = http.request(options, (answer) => {
            answer.resume();
            answer.on('end', () => resolve(answer.statusCode));
        });
        request.on('error', reject);
        request.end(body);
    });
}

async function changes() {
    const times = [];
    const start = performance.now();
    const end = start + seconds * 1000;
    await Promise.all(
        uuids.map(async (uuid) => {
            for (let revision = 1; performance.now() < end; revision++) {
                const sent = performance.now();
                const status = await change(uuid, revision);
                if (status !== 200) throw new Error(`PATCH: ${status}`);
                times.push(performance.now() - sent);
            }
        }),
    );
    const took = (performance.now() - start) / 1000;
    times.sort((a, b) => a - b);
    return {
        per_s: times.length / took,
        p50_ms: times[Math.floor(times.length / 2)],
        p99_ms: times[Math.floor(times.length * 0.99)],
    };
}

// What the disk takes to be sure of 4 KiB: each batch of changes waits for it once.
function diskMs() {
    const path = join(tmpdir(), `timbred-sync-${process.pid}`);
    const file = openSync(path, 'w');
    const times = [];
    for (let i = 0; i < 100; i++) {
        const start = performance.now();
        writeSync(file, Buffer.alloc(4096, i), 0, 4096, (i % 16) * 4096);
        fdatasyncSync(file);
        times.push(performance.now() - start);
    }
    closeSync(file);
    unlinkSync(path);
    return times.sort((a, b) => a - b)[50];
}

const status = () => readFileSync(`/proc/${d.webPid()}/status`, 'utf8');
const figures = { reads_per_s: reads(), disk_sync_p50_ms: diskMs(), changes: await changes() };
figures.web_resident_mb = Number(/VmRSS:\s+(\d+)/.exec(status())[1]) / 1024;
console.log(JSON.stringify(figures, null, 2));
agent.destroy();
await d.end();
