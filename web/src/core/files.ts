// SPDX-License-Identifier: GPL-3.0-or-later
// What was dropped: files, and those in dropped folders.

/** Of one folder and all in it; a person who drops a disk by mistake gets no further. */
const MOST = 5000;

/** Call while the event is handled: the browser forgets the entries after it. */
export async function filesOf(dropped: DataTransfer | null): Promise<File[]> {
    const entries = [...(dropped?.items ?? [])].map((item) => item.webkitGetAsEntry());
    if (!entries.some((entry) => entry?.isDirectory)) return [...(dropped?.files ?? [])];
    const files: File[] = [];
    for (const entry of entries) if (entry) await walk(entry, files);
    return files;
}

async function walk(entry: FileSystemEntry, files: File[]): Promise<void> {
    if (files.length >= MOST || entry.name.startsWith('.')) return;
    if (entry.isFile) {
        const found = entry as FileSystemFileEntry;
        files.push(await new Promise<File>((done, fail) => found.file(done, fail)));
        return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
        const part = await new Promise<FileSystemEntry[]>((done, fail) =>
            reader.readEntries(done, fail),
        );
        if (!part.length) return;
        for (const each of part) await walk(each, files);
    }
}
