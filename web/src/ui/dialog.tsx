// SPDX-License-Identifier: GPL-3.0-or-later
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './icons';

interface Props {
    title: string;
    wide?: boolean;
    onClose(): void;
    children: ComponentChildren;
}

/** The browser's own dialog: keeps the focus, closes with Esc or a tap beside it. */
export function Dialog({ title, wide = false, onClose, children }: Props) {
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        dialog.current!.showModal();
    }, []);
    return (
        <dialog
            ref={dialog}
            class={wide ? 'wide' : ''}
            aria-label={title}
            onClose={onClose}
            onClick={(event) => {
                if (event.target === dialog.current) onClose();
            }}
        >
            <div class="dialog-body">
                <header>
                    <h2>{title}</h2>
                    <button type="button" class="iconic" aria-label="Close" onClick={onClose}>
                        <Icon name="close" />
                    </button>
                </header>
                {children}
            </div>
        </dialog>
    );
}
