// SPDX-License-Identifier: GPL-3.0-or-later

const PATHS = {
    left: 'M14 6l-6 6 6 6',
    right: 'M10 6l6 6-6 6',
    up: 'M6 14l6-6 6 6',
    down: 'M6 10l6 6 6-6',
    heart: 'M12 20s-7.5-4.6-7.5-10A4.2 4.2 0 0 1 12 7.4 4.2 4.2 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z',
    undo: 'M9 8H15a5 5 0 0 1 0 10H8M9 8l3.5-3.5M9 8l3.5 3.5',
    redo: 'M15 8H9a5 5 0 0 0 0 10h7M15 8l-3.5-3.5M15 8l-3.5 3.5',
    more: 'M6 12h.01M12 12h.01M18 12h.01',
    search: 'M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zM20 20l-4.5-4.5',
    listen: 'M4 14v-2a8 8 0 0 1 16 0v2M4 14h3v6H5a1 1 0 0 1-1-1zM20 14h-3v6h2a1 1 0 0 0 1-1z',
    close: 'M6 6l12 12M18 6L6 18',
    device: 'M5 4h14v16H5zM12 16.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 7h.01',
    chart: 'M4 20h16M7 16v-4M12 16V6M17 16v-7',
    keys: 'M4 5h16v14H4zM9.3 5v8M14.7 5v8M9.3 13v6M14.7 13v6',
    list: 'M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01',
    sliders: 'M6 4v16M12 4v16M18 4v16M4 9h4M10 15h4M16 8h4',
    upload: 'M12 16V4M7 9l5-5 5 5M4 20h16',
    download: 'M12 4v12M7 11l5 5 5-5M4 20h16',
    save: 'M5 4h11l3 3v13H5zM8 4v5h7V4M8 20v-6h8v6',
    pen: 'M5 19l1-4L16 5l3 3L9 18zM14 7l3 3',
    clock: 'M12 20a8 8 0 1 0-7.4-5M4 20v-5h5M12 8v5l3 2',
    copy: 'M8 8h12v12H8zM16 8V4H4v12h4',
    trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
    mic: 'M12 15a3 3 0 0 1-3-3V6a3 3 0 0 1 6 0v6a3 3 0 0 1-3 3zM6 11v1a6 6 0 0 0 12 0v-1M12 18v3',
    play: 'M8 5l11 7-11 7z',
    learn: 'M4 4v16h16M8 6c.5 6.5 3.5 9.5 11 10',
    panic: 'M12 3l9.5 17h-19zM12 10v4M12 17h.01',
    wave: 'M3 12c2.5-9 5-9 7.5 0s5 9 7.5 0c1-3.5 2-5.5 3-6.5',
};

export type IconName = keyof typeof PATHS;

export function Icon({ name, fill = false }: { name: IconName; fill?: boolean }) {
    return (
        <svg class={fill ? 'icon filled' : 'icon'} viewBox="0 0 24 24" aria-hidden="true">
            <path d={PATHS[name]} />
        </svg>
    );
}
